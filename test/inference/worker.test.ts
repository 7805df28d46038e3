import { createReadStream } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FileRef, Request } from '#contracts/request';
import type { Result } from '#contracts/result';
import { probe } from '#inference/media/probe';
import { type RunningWorker, startWorker } from '#inference/worker';
import { createLogger } from '#src/log';
import { JobQueue } from '#src/queue/job-queue';
import type { JobEvent } from '#src/queue/snapshot';
import type { FolderStorage } from '#src/storage/folder-storage';
import { fixtureFolder, tone } from '#test/support/media-fixtures';
import { queueStorage } from '#test/support/queue-storage';
import { randomPack } from '#test/support/random-pack';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest } from '#test/support/requests';

// Processes start and die here; on a machine that is busy otherwise each start takes its time.
vi.setConfig({ testTimeout: 240_000 });
const log = createLogger('silent');
const KEEP = 3600_000;
const fixtures = fixtureFolder();
let pack: Awaited<ReturnType<typeof randomPack>>;
let server: TestRedis;
let queue: JobQueue;
let storage: FolderStorage;
let worker: RunningWorker;

beforeAll(async () => {
  pack = await randomPack();
  server = await startTestRedis();
  queue = new JobQueue(server.access, { activeJobs: 10, keepMilliseconds: KEEP, pack: 'random', log });
  await queue.ready();
  storage = await queueStorage(join(pack.folder, 'storage'), queue);
  // What a worker that was killed left behind: no process has this number.
  await mkdir(join(pack.folder, 'work', '4194999-left'), { recursive: true });
  worker = await startWorker({
    redis: server.access,
    storage,
    packFolder: pack.packFolder,
    device: 'cpu',
    threads: 1,
    dataFolder: pack.folder,
    keepMilliseconds: KEEP,
    log,
  });
});
afterAll(async () => {
  await worker?.close(0);
  await queue?.close();
  await server?.close();
  await pack?.remove();
  fixtures.remove();
});

function result(id: string, onEvent?: (event: JobEvent) => void): Promise<Result> {
  return new Promise((resolve) => {
    const stop = queue.watch(id, (event) => {
      onEvent?.(event);
      if (event.type !== 'result') return;
      queueMicrotask(() => stop());
      resolve(event.result);
    });
  });
}

async function put(path: string): Promise<FileRef> {
  const stored = await storage.put(createReadStream(path), {
    maxBytes: 1e8,
    async inspect(file) {
      const { kind, mime, seconds } = await probe(file);
      return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
    },
  });
  return { ...stored, name: 'song.wav' };
}

async function submit(given: Parameters<typeof makeRequest>[0]): Promise<Request> {
  const request = makeRequest(given);
  await queue.submit(request);
  return request;
}

describe('the worker', () => {
  it('answers about a stored song and clears up behind itself', async () => {
    const file = await put(tone(fixtures.path('song.wav')));
    const { id } = await submit({ files: [file], options: { seed: 5 } });
    expect(await result(id)).toMatchObject({ status: 'done', id, seed: 5, pack: 'random', files: [] });
    expect(await readdir(join(pack.folder, 'work'))).toEqual([]);
  });

  it('stores the music it makes', async () => {
    const { id } = await submit({
      command: 'generate',
      text: 'a waltz',
      options: { seconds: 1, format: 'flac' },
    });
    const done = await result(id);
    if (done.status !== 'done') throw new Error(JSON.stringify(done));
    const [file] = done.files;
    expect(file).toMatchObject({ mime: 'audio/flac', seconds: 1 });
    const path = await storage.localPath(file?.key ?? '', pack.folder);
    expect(await probe(path)).toMatchObject({ kind: 'audio', seconds: 1 });
  });

  it('tries again when the engine is killed in the middle of a job, while other jobs go on', async () => {
    const killed = await submit({ command: 'generate', text: 'x', options: { seconds: 6 } });
    const other = await submit({ text: 'Hello?' });
    const before = worker.enginePid;
    let done = false;
    const ended = result(killed.id, (event) => {
      if (done || event.type !== 'stage' || event.stage !== 'music') return;
      done = true;
      process.kill(before as number, 'SIGKILL');
    });
    expect((await ended).status).toBe('done');
    expect((await result(other.id)).status).toBe('done');
    expect(done).toBe(true);
    expect(worker.enginePid).not.toBe(before);
  });

  it('ends a cancelled job at its next step', async () => {
    const { id } = await submit({ command: 'generate', text: 'x', options: { seconds: 60 } });
    const ended = result(id, (event) => {
      if (event.type === 'stage' && event.stage === 'music') void queue.cancel(id);
    });
    expect(await ended).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
  });

  it('says it in one sentence when a file is broken, gone, or the pack is none', async () => {
    await writeFile(fixtures.path('bad.wav'), 'RIFF\x24\0\0\0WAVEfmt ');
    const stored = await storage.putFile(fixtures.path('bad.wav'), { kind: 'audio', mime: 'audio/wav' });
    const bad = await submit({ files: [{ ...stored, name: 'bad.wav' }] });
    expect(await result(bad.id)).toMatchObject({ status: 'failed', error: { code: 'unsupported_media' } });
    const gone = await submit({ files: [{ ...stored, key: '0'.repeat(64), name: 'gone.wav' }] });
    expect(await result(gone.id)).toMatchObject({ status: 'failed', error: { code: 'not_found' } });
    await expect(submit({ options: { pack: 'nowhere' } })).rejects.toMatchObject({
      code: 'not_found',
      message: 'No worker has the pack nowhere: there is random.',
    });
    await expect(submit({ options: { device: 'cuda' } })).rejects.toMatchObject({
      code: 'cannot_do',
      message: 'No worker has the pack random on cuda: there is cpu.',
    });
  });
});
