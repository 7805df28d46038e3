import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fileNameOf } from '#inference/jobs/output';
import { type RunningWorker, startWorker } from '#inference/worker';
import { createLogger } from '#src/log';
import { OPEN_POLICY } from '#src/policy/policy';
import { JobQueue } from '#src/queue/job-queue';
import { queueStorage } from '#test/support/queue-storage';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest } from '#test/support/requests';

vi.setConfig({ testTimeout: 120_000 });
const log = createLogger('silent');
const KEEP = 3600_000;
let folder: string;
let server: TestRedis;
let queue: JobQueue;
let worker: RunningWorker;

/** An engine that makes what it is told: the caption is the request's text, and so are the names of its two files. */
const ENGINE = `
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
process.on('disconnect', () => process.exit(0));
process.on('message', ({ type, job }) => {
  if (type === 'stop') process.exit(0);
  if (type !== 'run') return;
  const { id, text } = job.request;
  const files = [['mp3', 'audio/mpeg'], ['mp4', 'video/mp4']].map(([ending, mime]) => {
    const path = join(job.workFolder, 'made.' + ending);
    writeFileSync(path, text + ending);
    return { path, name: text.replaceAll(' ', '-') + '.' + ending, mime, seconds: 1 };
  });
  const timings = { decode: 0, encode: 0, language: 0, music: 0, total: 0 };
  process.send({ type: 'result', id, result: { text, caption: text, files, pack: 'mini', timings, notes: [] } });
});
process.send({ type: 'ready', pack: 'mini', device: 'cpu', why: 'it was asked for' });
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-names-'));
  await writeFile(join(folder, 'engine.mjs'), ENGINE);
  await mkdir(join(folder, 'packs', 'mini'), { recursive: true });
  server = await startTestRedis();
  queue = new JobQueue(server.access, { activeJobs: 10, keepMilliseconds: KEEP, log });
  const storage = await queueStorage(join(folder, 'storage'), queue);
  worker = await startWorker({
    redis: server.access,
    storage,
    packFolder: join(folder, 'packs', 'mini'),
    packs: [],
    policy: {
      ...OPEN_POLICY,
      checkAnswer: async (text) => {
        // As a moderation service does that has other words for it.
        if (text.includes('unspeakable')) return 'something else';
        return text.replaceAll('damn', '████');
      },
    },
    engineModule: { path: join(folder, 'engine.mjs'), execArgv: [] },
    device: 'cpu',
    dataFolder: folder,
    keepMilliseconds: KEEP,
    log,
  });
});
afterAll(async () => {
  await worker?.close(0);
  await queue?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function namesOf(text: string): Promise<string[]> {
  const request = makeRequest({ command: 'generate', text });
  await queue.submit(request);
  const result = await new Promise((resolve) => {
    const stop = queue.watch(request.id, (event) => {
      if (event.type !== 'result') return;
      queueMicrotask(() => stop());
      resolve(event.result);
    });
  });
  expect(result).toMatchObject({ status: 'done' });
  // Nothing that is kept of it has the words either: not the track of the conversation, not the list of its files.
  const store = server.access.connect('producer');
  const track = await queue.conversations.lastTrack(request.conversation);
  const owned = await queue.conversations.ownedFile(request.conversation, track?.key ?? '');
  store.disconnect();
  const { files } = result as { files: { name: string }[] };
  expect([track?.name, owned?.name]).toEqual([files.at(-1)?.name, files.at(-1)?.name]);
  return files.map((file) => file.name);
}

describe('the files of new music', () => {
  it('are named by its caption', async () => {
    expect(await namesOf('a slow waltz')).toEqual(['a-slow-waltz.mp3', 'a-slow-waltz.mp4']);
  });

  it('are named without it where the policy struck or replaced words of it', async () => {
    expect(await namesOf('a damn slow waltz')).toEqual(['music.mp3', 'music.mp4']);
    expect(await namesOf('an unspeakable waltz')).toEqual(['music.mp3', 'music.mp4']);
  });

  it('have names that every file system takes', async () => {
    const [name = ''] = await namesOf('waltz '.repeat(80).trim());
    expect(Buffer.byteLength(name)).toBe(255);
    expect(name).toMatch(/^waltz-.*\.mp3$/);
    expect(await readdir(join(folder, 'work'))).toEqual([]);
  });
});

describe('a file name out of a caption', () => {
  it('ends between two words: half of one may be another', () => {
    expect(fileNameOf('a slow waltz', 'music')).toBe('a-slow-waltz');
    expect(fileNameOf(`${'la '.repeat(15)}assembly`, 'music')).toBe('la-'.repeat(15).slice(0, -1));
    expect(fileNameOf('a'.repeat(60), 'music')).toBe('a'.repeat(48));
    expect(fileNameOf('静かな曲', 'music')).toBe('music');
  });
});
