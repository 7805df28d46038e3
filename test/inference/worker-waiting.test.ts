import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Request } from '#contracts/request';
import type { Result } from '#contracts/result';
import { type RunningWorker, startWorker } from '#inference/worker';
import { createLogger } from '#src/log';
import { JobQueue } from '#src/queue/job-queue';
import { queueStorage } from '#test/support/queue-storage';
import { randomPack } from '#test/support/random-pack';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest } from '#test/support/requests';

vi.setConfig({ testTimeout: 120_000 });
const log = createLogger('silent');
const KEEP = 3600_000;
let pack: Awaited<ReturnType<typeof randomPack>>;
let server: TestRedis;
let queue: JobQueue;
let worker: RunningWorker;

/** An engine that says what it was asked. */
const ENGINE = `
process.on('disconnect', () => process.exit(0));
process.on('message', ({ type, job }) => {
  if (type === 'stop') process.exit(0);
  if (type !== 'run') return;
  const timings = { decode: 0, encode: 0, language: 0, music: 0, total: 0 };
  const result = { text: job.request.text, files: [], pack: 'random', timings, notes: [] };
  process.send({ type: 'result', id: job.request.id, result });
});
process.send({ type: 'ready', pack: 'random', device: 'cpu', why: 'it was asked for' });
`;

/** The build of the further pack: how often it was begun, and its end. */
const build = { begun: 0, begins: () => {}, end: (_folder: string) => {} };
const begun = new Promise<void>((resolve) => {
  build.begins = resolve;
});
const built = new Promise<string>((resolve) => {
  build.end = resolve;
});

beforeAll(async () => {
  pack = await randomPack();
  const path = join(pack.folder, 'engine.mjs');
  await writeFile(path, ENGINE);
  server = await startTestRedis();
  queue = new JobQueue(server.access, { activeJobs: 10, keepMilliseconds: KEEP, log });
  worker = await startWorker({
    redis: server.access,
    storage: await queueStorage(join(pack.folder, 'storage'), queue),
    packFolder: join(pack.folder, 'packs', 'mini'),
    packs: ['random'],
    openPack: () => {
      build.begun += 1;
      build.begins();
      return built;
    },
    engineModule: { path, execArgv: [] },
    device: 'cpu',
    dataFolder: pack.folder,
    keepMilliseconds: KEEP,
    log,
  });
});
afterAll(async () => {
  build.end(pack?.packFolder);
  await worker?.close(0);
  await queue?.close();
  await server?.close();
  await pack?.remove();
});

function result({ id }: Request): Promise<Result> {
  return new Promise((resolve) => {
    const stop = queue.watch(id, (event) => {
      if (event.type !== 'result') return;
      queueMicrotask(() => stop());
      resolve(event.result);
    });
  });
}

describe('a job whose pack is being built', () => {
  it('ends when it is cancelled, and the build goes on for the others', async () => {
    const request = (text: string) => makeRequest({ text, options: { pack: 'random' } });
    // One at a time: the second is only taken when the first has left its place.
    const [first, second] = [request('first'), request('second')];
    await queue.submit(first);
    await begun;
    await queue.submit(second);
    const cancelled = result(first);
    await queue.cancel(first.id);
    expect(await cancelled).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    const done = result(second);
    build.end(pack.packFolder);
    expect(await done).toMatchObject({ status: 'done', text: 'second' });
    expect(build.begun).toBe(1);
  });
});
