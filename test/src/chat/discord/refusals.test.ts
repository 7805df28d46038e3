import { REST } from 'discord.js';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import type { Delivery, FinalView, StatusView } from '#src/chat/delivery/types';
import { DiscordMessenger } from '#src/chat/discord/messenger';
import {
  APPLICATION,
  BOT,
  CHANNEL,
  type LocalDiscord,
  snowflake,
} from '#test/src/chat/discord/support/local-discord';
import { Person } from '#test/src/chat/discord/support/people';
import { type Call, type Reply, refusal } from '#test/src/chat/discord/support/rest-api';
import { Stage } from '#test/src/chat/discord/support/stage';
import { makeRequest, makeResult } from '#test/support/requests';

const QUEUED: StatusView = { state: 'queued', position: 1 };
const request = makeRequest();
const VIEWS: Array<[string, FinalView]> = [
  ['words', { state: 'told', text: 'the answer' }],
  ['a failure', { state: 'failed', error: { code: 'invalid_input', message: 'No.' } }],
  ['a result', { state: 'done', request, result: makeResult(request) }],
];
const FORBIDDEN = refusal(403, 50013, 'Missing Permissions');

let stage: Stage;
let discord: LocalDiscord;
let store: Redis;
let messenger: DiscordMessenger;

beforeAll(async () => {
  stage = await Stage.open();
  discord = stage.discord;
  const { services } = stage.bot;
  store = services.redis.connect('producer');
  messenger = new DiscordMessenger(new REST({ api: discord.api }).setToken(discord.token), store, services);
});
afterEach(() => {
  discord.rest.intercept = () => undefined;
  expect(discord.rest.problems).toEqual([]);
});
afterAll(async () => {
  store?.disconnect();
  await stage?.close();
});

function delivery(): Delivery {
  const message = snowflake();
  const address = { type: 'message', application: APPLICATION, channel: CHANNEL, person: '1', message };
  return {
    ...{ id: `d${message}`, platform: 'discord', user: 'discord:1', roles: [], conversation: 'c' },
    ...{ intent: { type: 'line', text: '/help' }, address: { ...address, fileBytes: 1e6 } },
    ...{ receivedAt: Date.now(), state: 'received', posted: {}, fileCount: 0 },
  };
}

const note = async () => undefined;
const finish = (asked: Delivery, view: FinalView) => messenger.finish(asked, view, undefined, note);
const show = (asked: Delivery) => messenger.show(asked, QUEUED, undefined);

/** Answers every call about messages of the channel in Discord's place. @returns those calls */
function answerWith(reply: Reply): Call[] {
  const calls: Call[] = [];
  discord.rest.intercept = (call) => {
    if (!call.path.startsWith(`/channels/${CHANNEL}/messages`)) return undefined;
    calls.push(call);
    return reply;
  };
  return calls;
}

describe('what Discord refuses for good is not tried again', () => {
  it.each(VIEWS)('%s', async (_what, view) => {
    answerWith(FORBIDDEN);
    await expect(finish(delivery(), view)).rejects.toMatchObject({ code: 'not_allowed' });
    answerWith(refusal(400, 50035, 'Invalid Form Body'));
    await expect(finish(delivery(), view)).rejects.toMatchObject({ code: 'cannot_do' });
    discord.rest.intercept = () => undefined;
    const asked = delivery();
    await show(asked);
    const [status] = stage.answersTo(String(asked.address.message));
    discord.messages.delete(status?.id ?? '');
    await expect(finish(asked, view)).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each(['/help', '/generate x --bogus 1'])('where the bot may not write: %s', async (line) => {
    const calls = answerWith(FORBIDDEN);
    const said = new Person(discord, 'ana').say(`<@${BOT}> ${line}`);
    const { prefix } = stage.bot.services.redis;
    await expect
      .poll(() => store.hget(`${prefix}:delivery:d${said.id}`, 'state'), { timeout: 20_000 })
      .toBe('closed');
    expect(calls.length).toBeLessThanOrEqual(2);
  });
});

describe('what may pass is tried again', () => {
  it.each([
    [
      'sending is switched off for a while',
      refusal(400, 40004, 'Send messages has been temporarily disabled'),
    ],
    ['too many old messages are edited', refusal(400, 30046, 'Maximum number of edits reached')],
    ['something before Discord refuses', { status: 403, body: { error: 'blocked' } }],
  ])('%s', async (_what, reply) => {
    answerWith(reply);
    const asked = delivery();
    const view: FinalView = { state: 'done', request, result: makeResult(request) };
    await expect(finish(asked, view)).rejects.not.toBeInstanceOf(MumuError);
    discord.rest.intercept = () => undefined;
    await finish(asked, view);
    const [answer, ...others] = stage.answersTo(String(asked.address.message));
    expect(answer?.content).toContain('a waltz');
    expect(others).toEqual([]);
  });
});

describe('a status', () => {
  it('that may not be shown is not tried again, but its end and other requests are', async () => {
    const calls = answerWith(FORBIDDEN);
    const [first, second] = [delivery(), delivery()];
    await expect(show(first)).rejects.toMatchObject({ status: 403 });
    await show(first);
    expect(calls).toHaveLength(1);
    await expect(show(second)).rejects.toMatchObject({ status: 403 });
    expect(calls).toHaveLength(2);
    discord.rest.intercept = () => undefined;
    await finish(first, { state: 'told', text: 'allowed by now' });
    expect(stage.answersTo(String(first.address.message))).toHaveLength(1);
  });

  it('that somebody has deleted is left alone', async () => {
    const asked = delivery();
    await show(asked);
    const [status] = stage.answersTo(String(asked.address.message));
    discord.messages.delete(status?.id ?? '');
    await expect(show(asked)).rejects.toMatchObject({ code: 10008 });
    const before = discord.rest.calls.length;
    await show(asked);
    expect(discord.rest.calls).toHaveLength(before);
  });
});
