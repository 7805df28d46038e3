import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Result } from '#contracts/result';
import { JobQueue } from '#src/queue/job-queue';
import type { JobEvent } from '#src/queue/snapshot';
import type { RedisAccess } from '#src/redis/access';
import { Part } from '#test/chaos/parts';
import { events, KEEP, log } from '#test/src/queue/support';
import { RedisProcess } from '#test/support/redis-process';
import { makeRequest } from '#test/support/requests';

// Processes start and die here; on a machine that is busy otherwise each start takes its time.
vi.setConfig({ testTimeout: 240_000 });
let folder: string;
let server: RedisProcess;
let access: RedisAccess;
let queue: JobQueue;
const parts: Part[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-recovery-'));
  server = await RedisProcess.create();
  access = await server.connect('chaos');
  queue = new JobQueue(access, { keepMilliseconds: KEEP, log });
});
afterEach(async () => {
  await Promise.all(parts.splice(0).map((part) => part.stop('SIGKILL')));
});
afterAll(async () => {
  await queue.close();
  await access.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** A worker in a process of its own; its engine computes nothing. */
async function startWorker(): Promise<Part> {
  const name = `worker-${parts.length}-${Date.now()}`;
  const settings = {
    redisUrl: server.url,
    dataFolder: join(folder, name),
    storageFolder: join(folder, 'storage'),
    platformUrl: '',
    patience: 2_000,
    log: 'silent',
  };
  const part = new Part(name, 'worker', settings, () => undefined);
  parts.push(part);
  await part.start();
  return part;
}

const slow = (milliseconds: number) => makeRequest({ text: `please, slow ${milliseconds}` });
const isStage = (event: JobEvent) => event.type === 'stage';
const notesOf = (seen: JobEvent[]) => seen.flatMap((event) => (event.type === 'note' ? [event.text] : []));
const resultOf = (seen: JobEvent[]): Result | undefined =>
  seen.flatMap((event) => (event.type === 'result' ? [event.result] : []))[0];

describe('a worker that is killed in the middle', () => {
  it('loses nothing: another takes the job up and says so', async () => {
    const worker = await startWorker();
    const request = slow(1500);
    await queue.submit(request);
    const told = events(queue, request.id);
    await events(queue, request.id, isStage);
    await worker.stop('SIGKILL');
    await startWorker();
    const seen = await told;
    expect(resultOf(seen)).toMatchObject({ status: 'done', text: `answer to ${request.id}` });
    expect(notesOf(seen)).toEqual(['The worker stopped in the middle; your job was taken up again.']);
    expect(seen.filter((event) => event.type === 'result')).toHaveLength(1);
  });

  it('twice by the same job: the job is set aside, and the next worker does the others', async () => {
    const request = slow(60_000);
    const other = slow(0);
    await queue.submit(request);
    await queue.submit(other);
    const told = events(queue, request.id);
    const first = await startWorker();
    await events(queue, request.id, isStage);
    await first.stop('SIGKILL');
    const second = await startWorker();
    await events(queue, request.id, (event) => event.type === 'note');
    await second.stop('SIGKILL');
    await startWorker();
    expect(resultOf(await told)).toMatchObject({
      status: 'failed',
      error: { code: 'set_aside', message: expect.stringContaining('set aside') },
    });
    expect(resultOf(await events(queue, other.id))).toMatchObject({ status: 'done' });
    expect(await queue.setAside()).toMatchObject([
      { id: request.id, command: 'ask', pack: 'mini', deaths: 2 },
    ]);
    expect(await queue.conversations.result(request.id)).toMatchObject({ error: { code: 'set_aside' } });
  });
});

describe('an engine that is killed', () => {
  it('once: the job is tried again and says so; twice: it ends', async () => {
    const worker = await startWorker();
    const [once, twice] = [slow(1000), slow(60_000)];
    await queue.submit(once);
    const told = events(queue, once.id);
    await events(queue, once.id, isStage);
    expect(await worker.killEngine()).toBe(true);
    const seen = await told;
    expect(resultOf(seen)).toMatchObject({ status: 'done' });
    expect(notesOf(seen)).toEqual(['The engine stopped in the middle; your job was taken up again.']);

    await queue.submit(twice);
    const ended = events(queue, twice.id);
    await events(queue, twice.id, isStage);
    await worker.killEngine();
    await events(queue, twice.id, (event) => event.type === 'note');
    await worker.killEngine();
    expect(resultOf(await ended)).toMatchObject({ status: 'failed', error: { code: 'engine_lost' } });
    expect((await queue.setAside()).map(({ id }) => id)).not.toContain(twice.id);
  });
});

describe('a worker that is asked to stop under load', () => {
  it('ends in time and hands back what it could not finish; each job is done once', async () => {
    const worker = await startWorker();
    const requests = Array.from({ length: 12 }, (_, index) => slow(index === 0 ? 60_000 : 100));
    for (const request of requests) await queue.submit({ ...request, user: request.id });
    const told = requests.map(({ id }) => events(queue, id));
    await events(queue, requests[0]?.id ?? '', isStage);
    const { pid } = worker;
    expect((await queue.workers()).map((alive) => alive.pid)).toContain(pid);
    await worker.stop('SIGTERM');
    expect(await queue.view(requests[0]?.id ?? '')).toEqual({ state: 'queued', position: 1 });
    // Those killed before may count as alive for a moment yet; this one has taken its leave.
    expect((await queue.workers()).map(({ pid }) => pid)).not.toContain(pid);
    await queue.cancel(requests[0]?.id ?? '');
    await startWorker();
    const results = (await Promise.all(told)).map(resultOf);
    expect(results[0]).toMatchObject({ error: { code: 'cancelled' } });
    for (const [index, result] of results.entries()) {
      if (index > 0) expect(result).toMatchObject({ status: 'done', id: requests[index]?.id });
    }
  });
});

describe('a Redis that is killed and started again', () => {
  it('loses nothing that was accepted; what runs meanwhile ends as if nothing had been', async () => {
    await startWorker();
    const requests = Array.from({ length: 10 }, (_, index) => slow(index === 0 ? 1500 : 50));
    for (const request of requests) await queue.submit({ ...request, user: request.id });
    const told = requests.map(({ id }) => events(queue, id));
    await events(queue, requests[0]?.id ?? '', isStage);
    await server.kill();
    await expect(queue.submit(slow(0))).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    const results = (await Promise.all(told)).map(resultOf);
    expect(results.map((result) => result?.status)).toEqual(requests.map(() => 'done'));
    const after = slow(0);
    await queue.submit(after);
    expect(resultOf(await events(queue, after.id))).toMatchObject({ status: 'done' });
  });
});

describe('two workers, each with its own folders', () => {
  it('share the load', async () => {
    await startWorker();
    await startWorker();
    const requests = Array.from({ length: 12 }, () => slow(150));
    for (const request of requests) await queue.submit({ ...request, user: request.id });
    const results = (await Promise.all(requests.map(({ id }) => events(queue, id)))).map(resultOf);
    const engines = results.flatMap((result) => (result?.status === 'done' ? result.notes : []));
    expect(engines).toHaveLength(12);
    expect(new Set(engines).size).toBe(2);
  });
});
