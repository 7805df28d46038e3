import { setTimeout as delay } from 'node:timers/promises';
import { Job } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { JobHandler } from '#src/queue/consume';
import type { JobQueue } from '#src/queue/job-queue';
import { cancelKey, type QueueKind } from '#src/queue/names';
import type { JobEvent } from '#src/queue/snapshot';
import { events as eventsOf, QueueRig } from '#test/src/queue/support';
import { makeRequest, makeResult } from '#test/support/requests';

let rig: QueueRig;
let queue: JobQueue;

beforeAll(async () => {
  rig = await QueueRig.start();
});
afterEach(() => rig.rest());
afterAll(() => rig.close());

async function fresh(activeJobs = 10): Promise<void> {
  queue = rig.fresh({ activeJobs });
  await queue.ready();
}

const consume = (handle: JobHandler, queues: QueueKind[] = ['text', 'music']) =>
  rig.consume({ handle, queues });

/** Everything told about a request of this file's queue, up to its end or until `until` says so. */
const events = (id: string, until?: (event: JobEvent) => boolean) => eventsOf(queue, id, until);

/** A handler that waits until it is let go or told to stop. */
function gate(): { handle: JobHandler; started: Promise<Request>; open(): void } {
  let open = () => {};
  let start: (request: Request) => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const started = new Promise<Request>((resolve) => {
    start = resolve;
  });
  return {
    started,
    open,
    handle: async (request, { signal }) => {
      start(request);
      await Promise.race([
        opened,
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
      ]);
      return makeResult(request);
    },
  };
}

describe('a job from intake to result', () => {
  it('tells position, progress, text and the result, in this order', async () => {
    await fresh();
    const request = makeRequest();
    await queue.submit(request);
    const told = events(request.id);
    await events(request.id, (event) => event.type === 'queued');
    await consume(async (job, { onProgress }) => {
      onProgress({ type: 'stage', stage: 'decode', fraction: 0.5 });
      onProgress({ type: 'note', text: 'only the first 10 minutes were listened to' });
      await delay(150);
      onProgress({ type: 'text', text: 'a wal' });
      await delay(150);
      onProgress({ type: 'text', text: 'a waltz' });
      return makeResult(job);
    });
    const seen = await told;
    expect(seen[0]).toEqual({ type: 'queued', position: 1 });
    expect(seen.at(-1)).toEqual({ type: 'result', result: makeResult(request) });
    expect(seen).toContainEqual({ type: 'stage', stage: 'decode', fraction: 0.5 });
    expect(seen.filter((event) => event.type === 'note')).toHaveLength(1);
    expect(seen.findLast((event) => event.type === 'text')).toEqual({ type: 'text', text: 'a waltz' });
  });

  it('replays what a running job has said to a listener that comes late', async () => {
    await fresh();
    const hold = gate();
    await consume(async (request, context) => {
      context.onProgress({ type: 'stage', stage: 'music', fraction: 0.25 });
      return hold.handle(request, context);
    });
    const request = makeRequest({ command: 'generate', text: 'a calm waltz' });
    await queue.submit(request);
    await events(request.id, (event) => event.type === 'stage');
    const late = await events(request.id, (event) => event.type === 'stage');
    expect(late).toEqual([
      { type: 'queued', position: 0 },
      { type: 'stage', stage: 'music', fraction: 0.25 },
    ]);
    hold.open();
    await events(request.id);
    const afterwards = await events(request.id);
    expect(afterwards).toEqual([{ type: 'result', result: makeResult(request) }]);
  });

  it('takes an id only once, and ids that are whole numbers', async () => {
    await fresh();
    const request = makeRequest({ id: '1234567890123456789' });
    await queue.submit(request);
    await queue.submit(request);
    const { queues, jobs } = await queue.overview(request.conversation);
    expect(queues.text.waiting).toBe(1);
    expect(jobs).toEqual([{ id: request.id, command: 'ask', state: 'queued', position: 1 }]);
  });

  it('keeps text apart from music', async () => {
    await fresh();
    const hold = gate();
    await consume((request, context) =>
      request.command === 'generate' ? hold.handle(request, context) : Promise.resolve(makeResult(request)),
    );
    await queue.submit(makeRequest({ command: 'generate', text: 'long' }));
    await hold.started;
    const question = makeRequest();
    await queue.submit(question);
    expect((await events(question.id)).at(-1)?.type).toBe('result');
  });
});

describe('positions', () => {
  it('move up as those before end, and users take turns', async () => {
    await fresh();
    const [first, second] = [makeRequest({ user: 'anna' }), makeRequest({ user: 'anna' })];
    const other = makeRequest({ user: 'ben' });
    for (const request of [first, second, other]) await queue.submit(request);
    expect(await queue.view(first.id)).toEqual({ state: 'queued', position: 1 });
    expect(await queue.view(other.id)).toEqual({ state: 'queued', position: 2 });
    expect(await queue.view(second.id)).toEqual({ state: 'queued', position: 3 });
    const told = events(second.id);
    await events(second.id, (event) => event.type === 'queued');
    await consume(async (request) => {
      await delay(200);
      return makeResult(request);
    });
    const positions = (await told).flatMap((event) => (event.type === 'queued' ? [event.position] : []));
    expect(positions).toEqual([3, 2, 1, 0]);
  });
});

describe('cancel', () => {
  it('removes a job that waits', async () => {
    await fresh();
    const request = makeRequest();
    await queue.submit(request);
    const told = events(request.id);
    expect(await queue.cancel(request.id)).toBe('cancelled');
    expect((await told).at(-1)).toMatchObject({ result: { status: 'failed', error: { code: 'cancelled' } } });
    expect(await queue.cancel(request.id)).toBe('ended');
    expect((await queue.overview(request.conversation)).queues.text.waiting).toBe(0);
  });

  it('reaches the worker that holds the job, asked from another process’s queue', async () => {
    await fresh();
    const hold = gate();
    await consume(hold.handle);
    const request = makeRequest();
    await queue.submit(request);
    await hold.started;
    const elsewhere = rig.open({ activeJobs: 1 });
    const told = events(request.id);
    expect(await elsewhere.cancel(request.id)).toBe('stopping');
    expect((await told).at(-1)).toMatchObject({ result: { status: 'failed', error: { code: 'cancelled' } } });
  });

  it('at the moment the job finishes leaves its result as it is', async () => {
    await fresh();
    const hold = gate();
    await consume(hold.handle);
    const request = makeRequest();
    await queue.submit(request);
    await hold.started;
    // The job was found running, and ends before its state is asked for.
    const getState = Job.prototype.getState;
    const slow = vi.spyOn(Job.prototype, 'getState').mockImplementationOnce(async function (this: Job) {
      hold.open();
      await vi.waitFor(async () => expect(await getState.call(this)).toBe('completed'), { timeout: 20_000 });
      return getState.call(this);
    });
    expect(await queue.cancel(request.id)).toBe('ended');
    slow.mockRestore();
    expect(await queue.conversations.result(request.id)).toEqual(makeResult(request));
    expect(await queue.view(request.id)).toEqual({ state: 'ended', result: makeResult(request) });
  });

  it('of a job that a worker takes and ends just then leaves its result as it is', async () => {
    await fresh();
    const request = makeRequest();
    await queue.submit(request);
    // The job was found waiting, and is over before it is taken out; its worker did not see that it was cancelled.
    const store = rig.redis.connect('producer');
    const remove = Job.prototype.remove;
    const slow = vi.spyOn(Job.prototype, 'remove').mockImplementationOnce(async function (this: Job) {
      await store.del(cancelKey(rig.redis.prefix, request.id));
      await consume(async (job) => makeResult(job));
      await vi.waitFor(async () => expect(await this.getState()).toBe('completed'), { timeout: 20_000 });
      return remove.call(this);
    });
    expect(await queue.cancel(request.id)).toBe('ended');
    slow.mockRestore();
    store.disconnect();
    expect(await queue.conversations.result(request.id)).toEqual(makeResult(request));
    expect(await queue.view(request.id)).toEqual({ state: 'ended', result: makeResult(request) });
  });

  it('of an unknown job says so', async () => {
    await fresh();
    expect(await queue.cancel('nobody')).toBe('unknown');
  });
});

describe('failures', () => {
  it('of the user reach the user and are not tried again', async () => {
    await fresh();
    let tries = 0;
    await consume(async () => {
      tries += 1;
      throw new MumuError('unsupported_media', 'song.mp3 is no audio that can be read.');
    });
    const request = makeRequest();
    await queue.submit(request);
    expect((await events(request.id)).at(-1)).toEqual({
      type: 'result',
      result: {
        status: 'failed',
        id: request.id,
        error: { code: 'unsupported_media', message: 'song.mp3 is no audio that can be read.' },
      },
    });
    expect(tries).toBe(1);
  });

  it('of the engine are tried once more', async () => {
    await fresh();
    const attempts: number[] = [];
    await consume(async (request, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new MumuError('engine_lost', 'The engine stopped.');
      return makeResult(request);
    });
    const request = makeRequest();
    await queue.submit(request);
    expect((await events(request.id)).at(-1)).toMatchObject({ result: { status: 'done' } });
    expect(attempts).toEqual([1, 2]);
  });

  it('of ours are told without their text', async () => {
    await fresh();
    await consume(async () => {
      throw new TypeError('secret detail');
    });
    const request = makeRequest();
    await queue.submit(request);
    const last = (await events(request.id)).at(-1);
    expect(last).toMatchObject({ result: { error: { code: 'internal' } } });
    expect(JSON.stringify(last)).not.toContain('secret');
  });
});

describe('a stop', () => {
  it('waits for a job that ends in time', async () => {
    await fresh();
    const consumer = await consume(async (request) => {
      await delay(200);
      return makeResult(request);
    });
    const request = makeRequest();
    await queue.submit(request);
    await events(request.id, (event) => event.type === 'queued' && event.position === 0);
    await consumer.close(20_000);
    expect(await queue.view(request.id)).toMatchObject({ state: 'ended', result: { status: 'done' } });
  });

  it('puts a longer one back, and the next worker does it', async () => {
    await fresh();
    const hold = gate();
    const consumer = await consume(hold.handle);
    const request = makeRequest();
    await queue.submit(request);
    await hold.started;
    await consumer.close(50);
    expect(await queue.view(request.id)).toEqual({ state: 'queued', position: 1 });
    await consume(async (job) => makeResult(job));
    expect((await events(request.id)).at(-1)).toMatchObject({ result: { status: 'done' } });
  });
});

describe('limits and memory', () => {
  it('refuses a user more than the limit at once, and lets go when a job ends', async () => {
    await fresh(2);
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => queue.submit(makeRequest({ user: 'carla' }))),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({ code: 'limit_reached' });
    await queue.submit(makeRequest({ user: 'dora' }));
    const [open] = (await queue.overview('conversation-1')).jobs;
    await queue.cancel(open?.id ?? '');
    await queue.submit(makeRequest({ user: 'carla' }));
  });

  it('remembers the last track per conversation only, and the history', async () => {
    await fresh();
    const key = 'a'.repeat(64);
    const track = { key, name: 'waltz.wav', mime: 'audio/wav', bytes: 10, seconds: 2 };
    await consume(async (request) => makeResult(request, { files: [track] }));
    const request = makeRequest({ conversation: 'one', command: 'generate', text: 'a waltz' });
    await queue.submit(request, '/generate a waltz');
    await events(request.id);
    expect(await queue.conversations.lastTrack('one')).toEqual({ ...track, kind: 'audio' });
    expect(await queue.conversations.lastTrack('two')).toBeUndefined();
    expect(await queue.conversations.ownedFile('one', key)).toMatchObject({
      name: 'waltz.wav',
      mime: 'audio/wav',
    });
    expect(await queue.conversations.ownedFile('two', key)).toBeUndefined();
    const [exchange] = await queue.conversations.history('one');
    expect(exchange).toMatchObject({ typed: '/generate a waltz', result: { status: 'done' } });
  });

  it('knows the files of jobs that wait', async () => {
    await fresh();
    const file = {
      key: 'b'.repeat(64),
      kind: 'audio' as const,
      name: 'a.wav',
      mime: 'audio/wav',
      bytes: 1,
    };
    await queue.submit(makeRequest({ files: [file] }));
    expect(await queue.filesInUse()).toEqual(new Set([file.key]));
  });
});
