import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAnswers } from '#src/chat/answers';
import type { Receipt } from '#src/chat/delivery/types';
import { createLogger } from '#src/log';
import { OPEN_POLICY } from '#src/policy/policy';
import { Forget, forgottenText } from '#src/settings/forget';
import { Settings } from '#src/settings/settings';
import { makeReceipt, NO_SECRETS, Rig, TestMessenger, until } from '#test/src/chat/delivery/support';
import { tone } from '#test/support/media-fixtures';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeResult } from '#test/support/requests';

const log = createLogger('silent');
const ANN = 'discord:7001';
const BOB = 'discord:7002';
/** Stands in everything that Ann writes or uploads. */
const TRACE = 'xylophoneofann';

let redis: TestRedis;
let rig: Rig;
let connection: Redis;
let settings: Settings;
let forget: Forget;
let messenger: TestMessenger;
let songs: Buffer[];
/** Keys of what the worker made in a test. */
let made: string[] = [];
/** What a job waits for that a test holds back. */
let released: Promise<void> = Promise.resolve();
/** No two tracks are the same. */
let hertz = 200;

beforeAll(async () => {
  redis = await startTestRedis();
  rig = await Rig.start(redis.access, redis.folder);
  connection = redis.access.connect('producer');
  const { prefix } = redis.access;
  settings = new Settings(connection, prefix);
  const { queue, storage } = rig;
  forget = new Forget({ queue, storage, settings, redis: connection, prefix, log });
  const lengths = [0.5, 0.6, 0.7, 0.8];
  songs = await Promise.all(
    lengths.map((seconds) => readFile(tone(join(redis.folder, `${seconds}.wav`), { seconds }))),
  );
});
afterEach(() => rig.rest());
afterAll(async () => {
  await rig.close();
  await redis.close();
});

/** A courier whose answers are the real ones, and a worker that hands out a new track for each request. */
async function start() {
  messenger = new TestMessenger();
  const { queue, storage } = rig;
  const answers = createAnswers({ queue, policy: OPEN_POLICY, settings, forget });
  const courier = await rig.courier(messenger, { answers });
  made = [];
  await rig.work(async (request, { onProgress, signal }) => {
    onProgress({ type: 'text', text: `about ${request.text}` });
    if (request.text.includes('long')) await delay(600_000, undefined, { signal });
    // Has its result ready when it hears that nobody wants it any more.
    if (request.text.includes('stubborn')) await until(() => signal.aborted);
    if (request.text.includes('held')) await released;
    hertz += 1;
    const path = tone(join(redis.folder, `made-${request.id}.wav`), { hz: hertz, seconds: 0.3 });
    const { key, bytes } = await storage.putFile(path, { kind: 'audio', mime: 'audio/wav', seconds: 0.3 });
    made.push(key);
    const file = { key, bytes, name: `${request.user.slice(-4)}.wav`, mime: 'audio/wav', seconds: 0.3 };
    return makeResult(request, { text: `about ${request.text}`, files: [file] });
  });
  return courier;
}

async function ask(
  courier: Awaited<ReturnType<typeof start>>,
  user: string,
  conversation: string,
  text: string,
  song?: Buffer,
): Promise<Receipt> {
  const receipt = makeReceipt({ user, conversation, intent: { type: 'line', text } });
  const files = song === undefined ? [] : [messenger.give(`${TRACE}.wav`, song)];
  await courier.receive(receipt, { files });
  return receipt;
}

async function answered(...given: Parameters<typeof ask>) {
  const receipt = await ask(...given);
  const { view } = await messenger.end(receipt.id);
  if (view.state !== 'done') throw new Error(`${view.state}: ${JSON.stringify(view)}`);
  return view;
}

/** Waits until a delivery is over: it is remembered for a moment after its answer was posted. */
const closed = (id: string) =>
  until(async () => (await connection.zscore(`${redis.access.prefix}:deliveries:discord`, id)) === null);

/** Every key of Redis that holds a word, in its name or in what lies under it. */
async function keysWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for (const key of await connection.keys('*')) {
    const dump = await contentOf(key);
    if (key.includes(word) || dump.includes(word)) found.push(key);
  }
  return found;
}

async function contentOf(key: string): Promise<string> {
  const type = await connection.type(key);
  switch (type) {
    case 'string':
      return (await connection.get(key)) ?? '';
    case 'hash':
      return JSON.stringify(await connection.hgetall(key));
    case 'list':
      return JSON.stringify(await connection.lrange(key, 0, -1));
    case 'set':
      return JSON.stringify(await connection.smembers(key));
    case 'zset':
      return JSON.stringify(await connection.zrange(key, '0', '-1'));
    case 'stream':
      return JSON.stringify(await connection.xrange(key, '-', '+'));
    case 'none':
      // It ran out in the meantime.
      return '';
    default:
      throw new Error(`a key of type ${type}`);
  }
}

describe('forget me', () => {
  it('leaves nothing of what somebody gave, and everything of others', async () => {
    const courier = await start();
    const alone = await answered(courier, ANN, 'discord:dm-1', `/ask ${TRACE}?`, songs[0]);
    const together = await answered(courier, ANN, 'discord:room', `/ask ${TRACE} here?`, songs[1]);
    // Bob goes on with what stands in the room, which is Ann's result, and sends the same song elsewhere.
    const bobs = await answered(courier, BOB, 'discord:room', '/ask And this?');
    const elsewhere = await answered(courier, BOB, 'discord:dm-2', '/ask Mine?', songs[1]);
    await settings.set(ANN, 'seconds', 21);
    await settings.set(BOB, 'seconds', 22);

    const last = await ask(courier, ANN, 'discord:dm-1', '/settings forget me');
    const { view } = await messenger.end(last.id);
    expect(view).toMatchObject({ state: 'told' });
    const text = view.state === 'told' ? view.text : '';
    // Her upload and result in each conversation; Bob has the song of the second too.
    expect(text).toContain('2 requests with the answers (in 2 conversations), 3 files, 1 setting');
    expect(text).toContain('1 file of yours is no longer reachable through you');

    await closed(last.id);
    await rig.rest();
    const traces = (await keysWith(TRACE)).concat(await keysWith(ANN));
    // Numbers that count towards limits run out by themselves; Bob's own copy has the name he sent it under.
    const own = traces.filter((key) => !key.includes(':rate:') && !key.includes('discord:dm-2'));
    const bobsIds = [bobs.request.id, elsewhere.request.id];
    expect(own.filter((key) => !bobsIds.some((id) => key.includes(id)))).toEqual([]);

    const { storage, queue } = rig;
    const gone = [alone.request.files[0], alone.result.files[0], together.result.files[0]];
    for (const file of gone) expect(await storage.find(file?.key ?? '')).toBeUndefined();
    expect(await queue.conversations.history('discord:dm-1')).toEqual([]);
    const room = await queue.conversations.history('discord:room');
    expect(room.map(({ request }) => request.id)).toEqual([bobs.request.id]);
    expect(await storage.find(bobs.result.files[0]?.key ?? '')).toBeDefined();
    expect(await storage.find(elsewhere.request.files[0]?.key ?? '')).toBeDefined();
    expect(await settings.get(ANN)).toEqual({});
    expect(await settings.get(BOB)).toEqual({ seconds: 22 });
    // Nobody else has the song any more once he wants the same.
    await forget.user(BOB);
    expect(await storage.find(elsewhere.request.files[0]?.key ?? '')).toBeUndefined();
    expect((await keysWith(BOB)).filter((key) => !key.includes(':rate:'))).toEqual([]);
  });

  it('stops what waits and runs first, and what it leaves behind goes too', async () => {
    const courier = await start();
    const asked = await Promise.all(
      ['long', 'long', 'stubborn', 'long', 'long', 'stubborn'].map((name) =>
        ask(courier, ANN, 'discord:dm-3', `/ask ${TRACE} ${name}?`),
      ),
    );
    await until(async () => (await rig.queue.openRequests()).length === asked.length);
    const forgotten = await forget.user(ANN);
    expect(forgotten).toMatchObject({ requests: 6, jobs: 6 });
    for (const { id, intent } of asked) {
      const { view } = await messenger.end(id);
      // What was ready all the same may be posted, to her who asked.
      if (view.state === 'done') expect(intent.text).toContain('stubborn');
      else expect(view).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
      await closed(id);
    }
    await rig.rest();
    for (const key of made) expect(await rig.storage.find(key)).toBeUndefined();
    expect(await keysWith(TRACE)).toEqual([]);
    expect(await forget.user(ANN)).toMatchObject({ requests: 0, files: 0, jobs: 0 });
  });

  it('says when there was nothing', async () => {
    expect(forgottenText(await forget.user('discord:nobody'))).toBe('There was nothing of yours.');
  });
});

describe('one conversation’s files', () => {
  it('cannot be reached from another', async () => {
    const courier = await start();
    const anns = await answered(courier, ANN, 'discord:dm-4', `/ask ${TRACE}?`, songs[2]);
    const key = anns.result.files[0]?.key ?? '';
    expect(await rig.intake.knownFile('discord:dm-4', key)).toMatchObject({ key });
    await expect(rig.intake.knownFile('discord:dm-5', key)).rejects.toMatchObject({ code: 'not_found' });

    // Bob presses the buttons of Ann's result, as a message that was passed on or a forged press would.
    for (const button of ['again', 'vary', 'extend', 'remix'] as const) {
      const intent = { type: 'button', button, of: anns.request.id, text: 'slower' } as const;
      const receipt = makeReceipt({ user: BOB, conversation: 'discord:dm-5', intent });
      await courier.receive(receipt, NO_SECRETS);
      expect((await messenger.end(receipt.id)).view).toMatchObject({
        state: 'failed',
        error: { code: 'not_found' },
      });
    }
    // Nor does a message there find a track, nor another platform the request.
    const receipt = makeReceipt({
      user: BOB,
      conversation: 'discord:dm-5',
      intent: { type: 'line', text: '/remix slower' },
    });
    await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'invalid_input' } });
  });

  it('cannot be stopped, listed or cancelled from another', async () => {
    const courier = await start();
    let release = () => {};
    released = new Promise((resolve) => {
      release = resolve;
    });
    const running = await ask(courier, ANN, 'discord:dm-6', `/ask ${TRACE} held?`);
    await until(async () => (await rig.queue.view(running.id)) !== undefined);
    for (const text of [`/cancel ${running.id}`, '/queue']) {
      const receipt = await ask(courier, BOB, 'discord:dm-7', text);
      const { view } = await messenger.end(receipt.id);
      if (text === '/queue')
        expect(view).toMatchObject({ text: expect.stringContaining('None of it is from here') });
      else expect(view).toMatchObject({ state: 'failed', error: { code: 'not_found' } });
    }
    release();
    expect((await messenger.end(running.id)).view).toMatchObject({ state: 'done' });
  });
});
