import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FileRef } from '#contracts/request';
import type { ResultFile } from '#contracts/result';
import { Conversations } from '#src/queue/conversations';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

let redis: TestRedis;
let connection: Redis;
let conversations: Conversations;

beforeAll(async () => {
  redis = await startTestRedis();
  connection = redis.access.connect('producer');
  conversations = new Conversations(connection, redis.access.prefix, 3600_000);
});
beforeEach(() => connection.flushall());
afterAll(() => redis.close());

const file = (letter: string): FileRef => ({
  ...{ key: letter.repeat(64), kind: 'audio', name: `${letter}.wav`, mime: 'audio/wav', bytes: 1 },
});
const track = (letter: string): ResultFile => ({ ...file(letter), seconds: 1 });
const asked = (user: string, conversation: string, files: FileRef[] = []) =>
  makeRequest({ user, conversation, files });

describe('a conversation', () => {
  it('notes a request once, however often it comes', async () => {
    const request = asked('ann', 'room', [file('a')]);
    expect(await conversations.begin(request)).toBe(true);
    expect(await conversations.begin(request)).toBe(false);
    expect(await conversations.history('room')).toHaveLength(1);
    expect(await conversations.lastTrack('room')).toMatchObject({ key: file('a').key });
  });

  it('goes on whatever a result’s file is called', async () => {
    const long = `${'waltz'.repeat(60)}.mp3`;
    const request = asked('ann', 'room');
    await conversations.begin(request);
    await conversations.end(request, makeResult(request, { files: [{ ...track('b'), name: long }] }));
    const next = await conversations.lastTrack('room');
    expect(next).toMatchObject({ key: file('b').key, name: expect.stringMatching(/^waltz.*\.mp3$/) });
    // What is asked about it can be queued.
    makeRequest({ files: [next as FileRef] });
    expect((await conversations.ownedFile('room', file('b').key))?.name).toHaveLength(255);
  });

  it.each(['{', '{"key":"x"}', JSON.stringify({ ...file('b'), name: 'a'.repeat(256) })])(
    'takes a track that cannot be read for none (%#)',
    async (stored) => {
      const request = asked('ann', 'room', [file('a')]);
      await conversations.begin(request);
      const key = `${redis.access.prefix}:conversation:room:track`;
      await connection.set(key, stored);
      expect(await conversations.lastTrack('room')).toBeUndefined();
      expect(await conversations.forgetUser('ann', 'room')).toMatchObject({ requests: 1 });
      expect(await connection.exists(key)).toBe(0);
    },
  );

  it('keeps the first result of a request', async () => {
    const request = asked('ann', 'room');
    await conversations.begin(request);
    const { key, name, mime, bytes } = file('b');
    const done = makeResult(request, { files: [{ key, name, mime, bytes }] });
    expect(await conversations.end(request, done)).toEqual(done);
    const error = { code: 'cancelled' as const, message: 'The job was cancelled.' };
    expect(await conversations.end(request, { status: 'failed', id: request.id, error })).toEqual(done);
    expect(await conversations.result(request.id)).toEqual(done);
  });

  it('has its files to itself', async () => {
    await conversations.begin(asked('ann', 'room', [file('a')]));
    expect(await conversations.ownedFile('room', file('a').key)).toMatchObject({ name: 'a.wav' });
    expect(await conversations.ownedFile('other', file('a').key)).toBeUndefined();
    expect(await conversations.lastTrack('other')).toBeUndefined();
  });
});

describe('forgetting a user in a conversation', () => {
  it('takes what was theirs and leaves the rest', async () => {
    const anns = asked('ann', 'room', [file('a')]);
    await conversations.begin(anns);
    await conversations.end(anns, makeResult(anns, { files: [track('b')] }));
    // Bob asks about what Ann brought: it stays hers.
    const bobs = asked('bob', 'room', [file('b')]);
    await conversations.begin(bobs);
    await conversations.end(bobs, makeResult(bobs, { files: [track('c')] }));
    expect(await conversations.forgetUser('ann', 'room')).toEqual({
      requests: 1,
      files: expect.arrayContaining([file('a').key, file('b').key]),
      orphans: expect.arrayContaining([file('a').key, file('b').key]),
    });
    expect((await conversations.history('room')).map(({ request }) => request.id)).toEqual([bobs.id]);
    expect(await conversations.ownedFile('room', file('a').key)).toBeUndefined();
    expect(await conversations.ownedFile('room', file('c').key)).toBeDefined();
    expect(await conversations.lastTrack('room')).toMatchObject({ key: file('c').key });
    expect(await conversations.result(anns.id)).toBeUndefined();
    expect(await conversations.ofUser('ann')).toEqual([]);
    expect(await conversations.ofUser('bob')).toEqual(['room']);
  });

  it('takes the track with it if it was theirs', async () => {
    await conversations.begin(asked('ann', 'room', [file('a')]));
    await conversations.forgetUser('ann', 'room');
    expect(await conversations.lastTrack('room')).toBeUndefined();
  });

  it('names no file an orphan that another conversation has', async () => {
    await conversations.begin(asked('ann', 'room', [file('a')]));
    await conversations.begin(asked('bob', 'elsewhere', [file('a')]));
    expect(await conversations.forgetUser('ann', 'room')).toMatchObject({ orphans: [] });
    expect(await conversations.forgetUser('bob', 'elsewhere')).toMatchObject({ orphans: [file('a').key] });
  });

  it('holds also for a request that ends afterwards', async () => {
    const request = asked('ann', 'room');
    await conversations.begin(request);
    await conversations.forgetUser('ann', 'room');
    await conversations.end(request, makeResult(request, { files: [track('b')] }));
    expect(await connection.keys('*')).toEqual([]);
  });
});

describe('the conversations of a user', () => {
  it('are found as long as they live, however long ago the last word in them was', async () => {
    await conversations.begin(asked('ann', 'quiet'));
    await conversations.begin(asked('ann', 'gone'));
    const { prefix } = redis.access;
    await connection.zadd(`${prefix}:conversations-of:ann`, 1, 'quiet', 2, 'gone');
    await connection.del(`${prefix}:conversation:gone:order`);
    await conversations.begin(asked('ann', 'new'));
    expect((await conversations.ofUser('ann')).sort()).toEqual(['new', 'quiet']);
  });
});
