import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Queue } from 'bullmq';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '#src/log';
import { SignedLinks } from '#src/ops/file-links';
import { Health } from '#src/ops/health';
import { Metrics } from '#src/ops/metrics';
import { createOpsServer } from '#src/ops/server';
import { FolderStorage } from '#src/storage/folder-storage';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

const PUBLIC = 'https://music.example.org/shared';
const log = createLogger('silent');

let redis: TestRedis;
let folder: string;
let storage: FolderStorage;
let metrics: Metrics;
let health: Health;
let now: number;
let links: SignedLinks;
let app: FastifyInstance;
let queues: string[];

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis?.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-ops-'));
  const everything = { maxBytes: 1e6, keepMilliseconds: 1e9, filesInUse: async () => new Set<string>(), log };
  storage = await FolderStorage.open({ folder, ...everything });
  metrics = new Metrics();
  health = new Health(redis.access, metrics);
  now = Date.now();
  queues = [];
  links = new SignedLinks('a secret', PUBLIC, () => now);
  app = await start(undefined);
});
afterEach(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

function start(boardPassword: string | undefined): Promise<FastifyInstance> {
  return createOpsServer({
    config: { ops: { port: 0, host: '127.0.0.1', boardPassword, publicUrl: PUBLIC } },
    ...{ metrics, health, links, storage, log, redis: redis.access },
    queues: async () => queues,
  });
}

/** Where a link leads on this server, behind the operator's public address. */
function pathOf(link: string | undefined): string {
  expect(link?.startsWith(`${PUBLIC}/files/`)).toBe(true);
  return (link ?? '').slice(PUBLIC.length);
}

describe('links to files', () => {
  const store = () =>
    storage.put(Readable.from(['<script>']), {
      maxBytes: 100,
      inspect: async () => ({ kind: 'audio', mime: 'audio/wav', seconds: 1 }),
    });

  it('give the file out to be saved, under its name', async () => {
    const { key } = await store();
    const path = pathOf(links.link({ key, name: 'Für "Elise".wav', mime: 'audio/wav' }));
    const response = await app.inject(path);
    expect(response.statusCode).toBe(200);
    expect(response.body).toBe('<script>');
    expect(response.headers).toMatchObject({
      'content-type': 'audio/wav',
      'content-length': '8',
      'x-content-type-options': 'nosniff',
      'content-disposition': `attachment; filename="F_r _Elise_.wav"; filename*=UTF-8''F%C3%BCr%20%22Elise%22.wav`,
    });
  });

  it.each(['name', 'type', 'until', 'signature'])('are worth nothing with another %s', async (part) => {
    const { key } = await store();
    const url = new URL(links.link({ key, name: 'a.wav', mime: 'audio/wav' }) ?? '');
    const value = url.searchParams.get(part) ?? '';
    url.searchParams.set(part, part === 'until' ? String(Number(value) + 1) : `x${value}`);
    const response = await app.inject(`/files/${key}${url.search}`);
    expect(response.statusCode).toBe(404);
    expect(response.body).not.toContain('<script>');
    url.searchParams.delete(part);
    expect((await app.inject(`/files/${key}${url.search}`)).statusCode).toBe(404);
  });

  it('are for one file, one secret and one day', async () => {
    const { key } = await store();
    const path = pathOf(links.link({ key, name: 'a.wav', mime: 'audio/wav' }));
    const another = path.replace(key, 'f'.repeat(64));
    expect((await app.inject(another)).statusCode).toBe(404);
    const forged = new SignedLinks('another secret', PUBLIC).link({ key, name: 'a.wav', mime: 'audio/wav' });
    expect((await app.inject(pathOf(forged))).statusCode).toBe(404);
    now += 24 * 3600_000 - 1;
    expect((await app.inject(path)).statusCode).toBe(200);
    now += 2;
    const ended = await app.inject(path);
    expect(ended.statusCode).toBe(404);
    expect(ended.json()).toMatchObject({ error: { message: expect.stringMatching(/has ended/) } });
  });

  it('are not made without a public address, and there is no listing', async () => {
    expect(new SignedLinks('a secret', undefined).link({ key: 'a', name: 'b', mime: 'c' })).toBeUndefined();
    for (const path of ['/files', '/files/', '/files/..%2f..%2fetc%2fpasswd', '/']) {
      expect((await app.inject(path)).statusCode).toBe(404);
    }
  });
});

describe('/metrics', () => {
  it('counts what jobs, intake and couriers tell of, in seconds', async () => {
    metrics.watchQueues(async () => [{ queue: 'music', waiting: 3, active: 1 }]);
    const [song, question] = [makeRequest({ command: 'generate' }), makeRequest({ command: 'ask' })];
    const how = { pack: 'mini', milliseconds: 2700 };
    const lost = { status: 'failed', code: 'engine_lost', setAside: false } as const;
    const result = {
      ...makeResult(song),
      timings: { decode: 0, encode: 0, language: 500, music: 2000, total: 2600 },
      counts: { tokens: 40, musicSeconds: 10 },
    };
    metrics.work.started?.(song, { pack: 'mini', waitMilliseconds: 1500, attempt: 2 });
    metrics.work.ended?.(song, { status: 'done', result }, how);
    metrics.work.ended?.(question, { ...lost, again: true }, how);
    metrics.work.ended?.(question, { ...lost, again: false }, how);
    metrics.work.ended?.(question, { status: 'put-back' }, how);
    metrics.requests.queued?.('ask', 4);
    metrics.requests.refused?.('limit_reached');
    metrics.deliveries.posted?.('discord', 'done', 3000);
    const { body, headers } = await app.inject('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    const lines = body.split('\n');
    for (const line of [
      'mumu_queue_jobs{queue="music",state="waiting"} 3',
      'mumu_queue_jobs{queue="music",state="active"} 1',
      'mumu_queue_wait_seconds_sum{command="generate"} 1.5',
      'mumu_jobs_taken_up_again_total 1',
      'mumu_job_stage_seconds_sum{command="generate",stage="music"} 2',
      'mumu_job_stage_seconds_sum{command="generate",stage="total"} 2.6',
      'mumu_jobs_total{command="generate",outcome="done"} 1',
      'mumu_jobs_total{command="ask",outcome="engine_lost"} 1',
      'mumu_jobs_unfinished_total{command="ask",reason="engine_lost"} 1',
      'mumu_jobs_unfinished_total{command="ask",reason="put-back"} 1',
      'mumu_language_tokens_total 40',
      'mumu_music_seconds_total 10',
      'mumu_intake_seconds_bucket{le="0.005",command="ask"} 1',
      'mumu_intake_refused_total{code="limit_reached"} 1',
      'mumu_delivery_answered_seconds_sum{platform="discord",outcome="done"} 3',
    ]) {
      expect(lines).toContain(line);
    }
    expect(body).not.toContain('stage="decode"');
  });

  it('still answers when the queues cannot be asked', async () => {
    metrics.watchQueues(async () => {
      throw new Error('away');
    });
    const response = await app.inject('/metrics');
    expect(response.statusCode).toBe(200);
    expect(response.body).toContain('process_cpu_user_seconds_total');
  });
});

describe('/healthz', () => {
  it('is well as long as every part is', async () => {
    let isConnected = true;
    health.watch('discord', () => isConnected);
    expect((await app.inject('/healthz')).json()).toEqual({
      ok: true,
      parts: { redis: true, discord: true },
    });
    isConnected = false;
    const response = await app.inject('/healthz');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({ ok: false, parts: { redis: true, discord: false } });
    expect((await app.inject('/metrics')).body).toContain('mumu_up{part="discord"} 0');
  });

  it('says that Redis is away instead of waiting for it', async () => {
    const other = await startTestRedis();
    const sick = new Health(other.access, metrics);
    await other.close();
    expect(await sick.report()).toEqual({ ok: false, parts: { redis: false } });
  });
});

describe('/board', () => {
  const basic = (words: string) => ({ authorization: `Basic ${Buffer.from(words).toString('base64')}` });

  it('is off without a password', async () => {
    expect((await app.inject('/board')).statusCode).toBe(404);
  });

  it('lets the operator in, shows queues without words, and changes nothing', async () => {
    const queue = new Queue('music', { connection: redis.access.connect('producer'), prefix: 'test' });
    const data = { text: 'a secret wish', command: 'generate', files: [{ name: 'diary.mp3' }] };
    await queue.add('generate', data, { jobId: 'r-1' });
    const board = await start('open sesame');
    // A queue comes into being with its first job, which may be long after the start.
    queues = ['music'];
    try {
      for (const path of ['/board', '/board/', '/board/api/queues', '/board/static/favicon.ico']) {
        expect((await board.inject(path)).statusCode, path).toBe(401);
      }
      const headers = basic('mumu:open sesame');
      expect((await board.inject({ url: '/board/', headers })).body).toContain('<title>mumu</title>');
      const seen = await board.inject({ url: '/board/api/queues?activeQueue=music', headers });
      expect(seen.statusCode).toBe(200);
      expect(seen.body).toContain('r-1');
      expect(seen.body).toContain('generate');
      expect(seen.body).not.toContain('secret wish');
      expect(seen.body).not.toContain('diary');
      const clean = await board.inject({ method: 'PUT', url: '/board/api/queues/music/r-1/clean', headers });
      expect(clean.statusCode).toBeGreaterThanOrEqual(400);
      expect(await queue.getJob('r-1')).toBeDefined();
    } finally {
      await board.close();
      await queue.obliterate({ force: true });
      await queue.close();
    }
  });

  it('bears no guessing', async () => {
    const board = await start('open sesame');
    try {
      for (let tries = 0; tries < 10; tries++) {
        const wrong = await board.inject({ url: '/board', headers: basic(`mumu:${tries}`) });
        expect(wrong.statusCode).toBe(401);
      }
      const right = await board.inject({ url: '/board', headers: basic('mumu:open sesame') });
      expect(right.statusCode).toBe(429);
    } finally {
      await board.close();
    }
  });
});
