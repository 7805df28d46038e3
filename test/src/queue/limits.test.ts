import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileRef } from '#contracts/request';
import { createLogger } from '#src/log';
import { consumeJobs } from '#src/queue/consume';
import { JobQueue, type JobQueueOptions } from '#src/queue/job-queue';
import { inWords } from '#src/queue/limits';
import { musicSecondsOf } from '#src/queue/music-seconds';
import type { RedisAccess } from '#src/redis/access';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

const log = createLogger('silent');
const KEEP = 3600_000;
let server: TestRedis;
let count = 0;
const closing: Array<() => Promise<void>> = [];

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(async () => {
  for (const close of closing) await close();
  await server.close();
});

/** A queue with limits of its own, on keys of its own. */
function open(limits: Partial<JobQueueOptions>, redis = access()): JobQueue {
  const queue = new JobQueue(redis, { ...limits, keepMilliseconds: KEEP, log });
  closing.push(() => queue.close());
  return queue;
}

function access(): RedisAccess {
  count += 1;
  return { ...server.access, prefix: `limits${count}` };
}

const song = (seconds: number): FileRef => ({
  ...{ key: 'a'.repeat(64), kind: 'audio', name: 'song.mp3', mime: 'audio/mpeg', bytes: 1 },
  seconds,
});
const music = (seconds: number, given = {}) =>
  makeRequest({ command: 'generate', text: 'a waltz', options: { seconds }, ...given });

describe('jobs at once', () => {
  it('are counted per user, over servers, and of requests that come at once only so many get in', async () => {
    const queue = open({ activeJobs: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => queue.submit(makeRequest({ server: `server-${index % 3}` }))),
    );
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused).toHaveLength(10);
    expect(refused[0]).toMatchObject({
      code: 'limit_reached',
      message: 'You have 2 jobs under way, which is the most at once: wait for one to end, or cancel one.',
    });
    expect(await queue.openRequests()).toHaveLength(2);
  });

  it('are counted per server, over users', async () => {
    const queue = open({ activeJobs: 5, serverActiveJobs: 3 });
    for (const user of ['a', 'b', 'c']) await queue.submit(makeRequest({ user, server: 'one' }));
    await expect(queue.submit(makeRequest({ user: 'd', server: 'one' }))).rejects.toMatchObject({
      code: 'limit_reached',
      message: 'Everyone here together has 3 jobs under way, which is the most at once: wait for one to end.',
    });
    await queue.submit(makeRequest({ user: 'd', server: 'two' }));
    await queue.submit(makeRequest({ user: 'd' }));
  });

  it('can be asked about before any work is put into a request', async () => {
    const queue = open({ activeJobs: 1, serverActiveJobs: 2, jobsPerHour: 2 });
    const anna = { user: 'anna', server: 'one' };
    await queue.requireRoom(anna);
    const first = makeRequest(anna);
    await queue.submit(first);
    await expect(queue.requireRoom(anna)).rejects.toThrow('You have 1 job under way');
    await queue.submit(makeRequest({ user: 'bert', server: 'one' }));
    await expect(queue.requireRoom({ user: 'carl', server: 'one' })).rejects.toThrow(
      'Everyone here together',
    );
    await queue.requireRoom({ user: 'carl' });
    await queue.cancel(first.id);
    await queue.requireRoom(anna);
    const second = makeRequest(anna);
    await queue.submit(second);
    await queue.cancel(second.id);
    await expect(queue.requireRoom(anna)).rejects.toThrow(/You asked for 2 jobs within the hour/);
  });

  it('stop counting when they end, are cancelled, or were left behind by a worker that died', async () => {
    const redis = access();
    const queue = open({ activeJobs: 1, serverActiveJobs: 1 }, redis);
    const here = { user: 'anna', server: 'one' };
    const first = makeRequest(here);
    await queue.submit(first);
    await queue.cancel(first.id);
    const second = makeRequest(here);
    await queue.submit(second);
    const consumer = await consumeJobs({
      ...{ redis, log, queues: ['text'], concurrency: { text: 1, music: 1 }, keepMilliseconds: KEEP },
      handle: async (request) => makeResult(request),
    });
    await ended(queue, second.id);
    await consumer.close(0);
    // As if the worker had died between ending the job and saying so.
    const connection = redis.connect('producer');
    await connection.zadd(`${redis.prefix}:open:user:anna`, Date.now(), second.id);
    await connection.zadd(`${redis.prefix}:open:server:one`, Date.now(), second.id);
    await queue.submit(makeRequest(here));
    await expect(queue.submit(makeRequest(here))).rejects.toMatchObject({ code: 'limit_reached' });
  });
});

describe('jobs per hour', () => {
  it('are refused with the time until the next', async () => {
    const queue = open({ jobsPerHour: 3 });
    for (let index = 0; index < 3; index += 1) {
      const request = makeRequest();
      await queue.submit(request);
      await queue.cancel(request.id);
    }
    const error = await queue.submit(makeRequest()).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'limit_reached' });
    expect(error.message).toMatch(
      /^You asked for 3 jobs within the hour: the next one is possible in (60|59) minutes\.$/,
    );
    await queue.submit(makeRequest({ user: 'somebody else' }));
  });

  it('count once, however often the same id comes, and not at all if the request got nowhere', async () => {
    const redis = access();
    const queue = open({ jobsPerHour: 2, activeJobs: 1 }, redis);
    const request = makeRequest();
    await Promise.all([1, 2, 3, 4].map(() => queue.submit(request)));
    await queue.submit(request);
    await expect(queue.submit(makeRequest())).rejects.toThrow('under way');
    await queue.cancel(request.id);
    await queue.submit(request);
    await queue.submit(makeRequest());
    const connection = redis.connect('producer');
    expect(await connection.get(`${redis.prefix}:rate:jobs:user:user-1`)).toBe('2');
  });

  it('of a server are its members’ together', async () => {
    const queue = open({ jobsPerHour: 2, serverJobsPerHour: 2 });
    await queue.submit(makeRequest({ user: 'a', server: 'one' }));
    await queue.submit(makeRequest({ user: 'b', server: 'one' }));
    await expect(queue.submit(makeRequest({ user: 'c', server: 'one' }))).rejects.toThrow(
      /^Everyone here together asked for 2 jobs within the hour: the next one is possible in /,
    );
    // What the refusal took of the user's own limit was given back.
    await queue.submit(makeRequest({ user: 'c' }));
    await queue.submit(makeRequest({ user: 'c' }));
  });
});

describe('seconds of music a day', () => {
  it('say what is left, and let a shorter piece through', async () => {
    const queue = open({ musicSecondsPerDay: 25 });
    await queue.submit(music(15));
    await expect(queue.submit(music(20))).rejects.toThrow(
      /^You have 10 of 25 seconds of music a day left, and this asks for 20: ask for less, or wait 24 hours\.$/,
    );
    await queue.submit(music(10));
    await expect(queue.submit(music(1))).rejects.toThrow(
      /^You asked for 25 seconds of music within the day: more is possible in 24 hours\.$/,
    );
    await queue.submit(makeRequest());
  });

  it('are what the engine would make where a request leaves it open', () => {
    const exact = (text: string) => text === 'slower';
    const clip: FileRef = { ...song(90), kind: 'video' };
    const cases: Array<[Parameters<typeof makeRequest>[0], number]> = [
      [{ command: 'ask' }, 0],
      [{ command: 'generate', text: 'a waltz' }, 10],
      [{ command: 'generate', text: 'a waltz', options: { seconds: 12.5 } }, 12.5],
      [{ command: 'generate', text: 'music for it', files: [clip] }, 60],
      [{ command: 'generate', text: '', action: 'extend', files: [song(90)] }, 10],
      [{ command: 'remix', text: 'slower', files: [song(240)] }, 0],
      [{ command: 'remix', text: 'as jazz', files: [song(240)] }, 20],
      [{ command: 'remix', text: 'as jazz', files: [song(12)] }, 12],
    ];
    for (const [given, seconds] of cases) expect(musicSecondsOf(makeRequest(given), exact)).toBe(seconds);
  });
});

describe('an intake that died half-way', () => {
  it('is gone on with when the same id comes again', async () => {
    const redis = access();
    const queue = open({ activeJobs: 3, jobsPerHour: 3 }, redis);
    const request = makeRequest();
    // Everything up to the queue itself had been written.
    await queue.submit(request);
    const connection = redis.connect('producer');
    const keys = await connection.keys(`${redis.prefix}:text.mini:*`);
    await connection.del(...keys);
    expect(await queue.view(request.id)).toBeUndefined();
    await queue.submit(request);
    expect(await queue.view(request.id)).toEqual({ state: 'queued', position: 1 });
    expect(await connection.get(`${redis.prefix}:rate:jobs:user:user-1`)).toBe('1');
  });
});

describe('a waiting time in words', () => {
  it('is never shorter than it will be', () => {
    const shown = [1, 40_000, 89_001, 90_001, 12 * 60_000, 89 * 60_000, 91 * 60_000, 24 * 3600_000].map(
      inWords,
    );
    expect(shown).toEqual([
      ...[
        '1 second',
        '40 seconds',
        '2 minutes',
        '2 minutes',
        '12 minutes',
        '89 minutes',
        '2 hours',
        '24 hours',
      ],
    ]);
  });
});

function ended(queue: JobQueue, id: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = queue.watch(id, (event) => {
      if (event.type !== 'result') return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}
