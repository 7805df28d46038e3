import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { FILE_TRIES } from '#src/chat/delivery/patience';
import type { Delivery, FinalView } from '#src/chat/delivery/types';
import { SlackMessenger } from '#src/chat/slack/messenger';
import { Notes } from '#src/chat/slack/notes';
import { People } from '#src/chat/slack/people';
import { StatusMessages } from '#src/chat/slack/status';
import { Uploads } from '#src/chat/slack/uploads';
import { createClient } from '#src/chat/slack/web';
import { createLogger } from '#src/log';
import type { Storage } from '#src/storage/storage';
import { startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { shownIn } from '#test/src/chat/slack/support/driver';
import { ALICE, DIRECT_ALICE, GENERAL } from '#test/src/chat/slack/support/workspace';
import { makeRequest, makeResult } from '#test/support/requests';

const log = createLogger('silent');
const TOLD: FinalView = { state: 'told', text: 'the answer' };
const note = async () => undefined;

let bot: TestBot;
let count = 0;

beforeAll(async () => {
  bot = await startTestBot({
    mode: 'socket',
    worker: false,
    environment: { MUMU_PUBLIC_URL: 'https://files.example.org' },
  });
});
afterEach(() => expect(bot.server.api.problems.splice(0)).toEqual([]));
afterAll(() => bot?.close());

/** A messenger as the bot has one; what the store does is up to the test. */
function messengerWith(given: { storage?: Storage; hasAddress?: boolean } = {}): SlackMessenger {
  const { config, redis, storage, settings, links } = bot.opened.services;
  if (config.slack === undefined) throw new Error('no settings');
  const client = createClient(config.slack, log);
  const notes = new Notes(redis.connect('producer'), redis.prefix, config.limits.keepMilliseconds);
  return new SlackMessenger({
    ...{ config: config.slack, client, settings, log, maxFileBytes: 1e6 },
    status: new StatusMessages(client, notes, log),
    uploads: new Uploads(client, log, bot.server.address, 5),
    people: new People(client, log),
    storage: given.storage ?? storage,
    links: given.hasAddress === false ? { link: () => undefined } : links,
  });
}

function delivery(): Delivery {
  count += 1;
  return {
    ...{ id: `slack-${count}`, platform: 'slack', user: `slack:T:${ALICE}`, roles: [], conversation: 'c' },
    intent: { type: 'line', text: '' },
    address: { user: ALICE, channel: GENERAL },
    ...{ receivedAt: Date.now(), state: 'queued', posted: {}, fileCount: 0 },
  };
}

/** Messages that stand for a request. */
const standing = ({ id }: Delivery) =>
  bot.server.workspace.messages.filter(({ metadata }) => metadata?.event_payload.id === id);

describe('an edit', () => {
  it.each(['msg_too_long', 'invalid_blocks', 'ekm_access_denied', 'something_new'])(
    'that Slack refuses for good is not tried again: %s',
    async (error) => {
      const messenger = messengerWith();
      const asked = delivery();
      await messenger.show(asked, { state: 'fetching' });
      bot.server.mishap('chat.update', { kind: 'refuse', error });
      await expect(messenger.finish(asked, TOLD, undefined, note)).rejects.toMatchObject({
        code: 'not_allowed',
        message: expect.stringContaining(error),
      });
      expect(standing(asked)).toHaveLength(1);
    },
  );

  it.each(['update_failed', 'external_channel_migrating', 'internal_error'])(
    'that Slack refuses for now is: %s',
    async (error) => {
      const messenger = messengerWith();
      const asked = delivery();
      await messenger.show(asked, { state: 'fetching' });
      bot.server.mishap('chat.update', { kind: 'refuse', error });
      await expect(messenger.finish(asked, TOLD, undefined, note)).rejects.not.toBeInstanceOf(MumuError);
      await messenger.finish(asked, TOLD, undefined, note);
      expect(standing(asked).map(shownIn)).toEqual(['the answer']);
    },
  );

  it('in a channel that was archived in the meantime comes directly', async () => {
    const messenger = messengerWith();
    const asked = delivery();
    await messenger.show(asked, { state: 'fetching' });
    bot.server.mishap('chat.update', { kind: 'refuse', error: 'is_inactive' });
    bot.server.mishap('chat.postMessage', { kind: 'refuse', error: 'is_archived' });
    await messenger.finish(asked, TOLD, undefined, note);
    const direct = standing(asked).find(({ channel }) => channel === DIRECT_ALICE);
    expect(direct === undefined ? '' : shownIn(direct)).toContain('the answer');
  });
});

describe('a track that the store does not hand out', () => {
  const request = makeRequest();
  const file = { key: 'a'.repeat(64), name: 'waltz.mp3', mime: 'audio/mpeg', bytes: 5, seconds: 1 };
  const view: FinalView = { state: 'done', request, result: makeResult(request, { files: [file] }) };

  /** A bucket whose keys are being changed. */
  function lockedStore(): { storage: Storage; unlock(): void } {
    let isLocked = true;
    const read: Storage['read'] = async () => {
      if (!isLocked) return Readable.from([Buffer.from('waltz')]);
      throw new MumuError('missing_dependency', 'The S3 bucket may not be used with these credentials.');
    };
    const storage = Object.assign(Object.create(bot.opened.services.storage) as Storage, { read });
    return {
      storage,
      unlock: () => {
        isLocked = false;
      },
    };
  }

  it('is waited for', async () => {
    const { storage, unlock } = lockedStore();
    const messenger = messengerWith({ storage });
    const asked = delivery();
    const finish = (attempt: number) => messenger.finish(asked, view, undefined, note, attempt);
    await expect(finish(0)).rejects.toMatchObject({ code: 'missing_dependency' });
    await expect(finish(FILE_TRIES - 1)).rejects.toMatchObject({ code: 'missing_dependency' });
    unlock();
    await finish(1);
    const [status] = standing(asked);
    const uploads = bot.server.workspace.messages.filter(({ thread_ts }) => thread_ts === status?.ts);
    expect(uploads.flatMap(({ files }) => files.map(({ name }) => name))).toEqual(['waltz.mp3']);
  });

  it.each([
    ['a link', true, '<https://files.example.org/'],
    ['a sentence', false, 'waltz.mp3 — it cannot be handed out at the moment'],
  ])('becomes %s in the end, and the answer comes', async (_what, hasAddress, words) => {
    const messenger = messengerWith({ storage: lockedStore().storage, hasAddress });
    const asked = delivery();
    await messenger.finish(asked, view, undefined, note, FILE_TRIES);
    const [shown] = standing(asked).map(shownIn);
    expect(shown).toContain('a waltz');
    expect(shown).toContain(words);
  });
});
