import { cp, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineJob, EngineResult } from '#contracts/engine';
import type { Progress } from '#contracts/progress';
import { type EngineClient, type EngineClientOptions, startEngine } from '#inference/engine-client';
import { randomPack } from '#test/support/random-pack';
import { makeRequest } from '#test/support/requests';

// Processes start and die here; on a machine that is busy otherwise each start takes its time.
vi.setConfig({ testTimeout: 240_000 });
let pack: Awaited<ReturnType<typeof randomPack>>;
const clients: EngineClient[] = [];

beforeAll(async () => {
  pack = await randomPack();
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await pack?.remove();
});

/** An engine that is ready once a file lies beside it; its answers tell how many jobs it was given. */
const LATE_ENGINE = `
import { existsSync } from 'node:fs';
let jobs = 0;
process.on('disconnect', () => process.exit(0));
process.on('message', ({ type, job }) => {
  if (type === 'stop') process.exit(0);
  if (type !== 'run') return;
  const timings = { decode: 0, encode: 0, language: 0, music: 0, total: 0 };
  const result = { text: ++jobs + ': ' + job.request.text, files: [], pack: 'late', timings, notes: [] };
  process.send({ type: 'result', id: job.request.id, result });
});
const look = setInterval(() => {
  if (!existsSync(process.argv[1] + '.go')) return;
  clearInterval(look);
  process.send({ type: 'ready', pack: 'late', device: 'cpu', why: 'it was asked for' });
}, 20);
`;

function start(
  packFolder: string,
  module?: EngineClientOptions['module'],
  onExit: (why: string) => void = () => {},
): EngineClient {
  const client = startEngine({
    packFolder,
    device: 'cpu',
    threads: 1,
    cacheFolder: join(pack.folder, 'cache'),
    onExit,
    ...(module ? { module } : {}),
  });
  clients.push(client);
  return client;
}

async function job(given: Parameters<typeof makeRequest>[0]): Promise<EngineJob> {
  const request = makeRequest(given);
  const workFolder = join(pack.folder, request.id);
  await mkdir(workFolder);
  return { request, files: [], workFolder, seed: 3 };
}

describe('the engine in its own process', () => {
  it('tells when it ends by itself, not when it was asked to', async () => {
    const ends: string[] = [];
    const engine = start(pack.packFolder, undefined, (why) => ends.push(why));
    await engine.ready();
    process.kill(engine.pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect(ends).toEqual(['SIGKILL']), { timeout: 30_000 });
    await engine.run(await job({ text: 'Hello?' }));
    await engine.close();
    expect(ends).toEqual(['SIGKILL']);
  });

  it('answers, says when it is killed under a job, and is there again for the next', async () => {
    const engine = start(pack.packFolder);
    await engine.ready();
    expect(engine.state).toMatchObject({ pack: 'random', device: 'cpu' });
    const seen: Progress[] = [];
    const first = await engine.run(await job({ text: 'Hello?' }), { onProgress: (p) => seen.push(p) });
    expect(seen.filter((p) => p.type === 'text').at(-1)).toEqual({ type: 'text', text: first.text });

    const { pid } = engine;
    const long = await job({ command: 'generate', text: 'x', options: { seconds: 60 } });
    const lost = engine.run(long, {
      onProgress: (p) => {
        if (p.type === 'stage' && p.stage === 'music') process.kill(pid as number, 'SIGKILL');
      },
    });
    await expect(lost).rejects.toMatchObject({ code: 'engine_lost', retryable: true });
    expect(engine.pid).toBeNull();

    const again = await engine.run(await job({ text: 'Hello?' }));
    expect(again.text).toBe(first.text);
    expect(engine.pid).not.toBe(pid);
  });

  it('ends a cancelled job and goes on', async () => {
    const engine = start(pack.packFolder);
    const stop = new AbortController();
    const running = engine.run(await job({ command: 'generate', text: 'x', options: { seconds: 60 } }), {
      signal: stop.signal,
      onProgress: (p) => {
        if (p.type === 'stage' && p.stage === 'music') stop.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    const { pid } = engine;
    expect((await engine.run(await job({ text: 'Hello?' }))).pack).toBe('random');
    expect(engine.pid).toBe(pid);
  });

  it('keeps two runs of one job apart: each has its own answer, and its own end', async () => {
    const engine = start(pack.packFolder);
    const stop = new AbortController();
    const long = await job({ command: 'generate', text: 'x', options: { seconds: 60 } });
    const short = await job({ text: 'Hello?' });
    const again = { ...short, request: { ...short.request, id: long.request.id } };
    const seen: Progress[] = [];
    let second: Promise<EngineResult> | undefined;
    const first = engine.run(long, {
      signal: stop.signal,
      onProgress: (p) => {
        if (p.type !== 'stage' || p.stage !== 'music' || second) return;
        second = engine.run(again, { onProgress: (q) => seen.push(q) });
        // The first is still under way when the second has its answer.
        void second.finally(() => stop.abort());
      },
    });
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    const result = await second;
    expect(result?.text).toBe((await engine.run(short)).text);
    expect(seen.filter((p) => p.type === 'text').at(-1)).toEqual({ type: 'text', text: result?.text });
  });

  it('ends a job that is cancelled while it starts, and is there for the next', async () => {
    const module = { path: join(pack.folder, 'late.mjs'), execArgv: [] };
    await writeFile(module.path, LATE_ENGINE);
    const engine = start(pack.packFolder, module);
    const stop = new AbortController();
    const waiting = engine.run(await job({ text: 'Hello?' }), { signal: stop.signal });
    const next = await job({ text: 'Who is next?' });
    const answered = engine.run(next);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(engine.state).toBeNull();
    // Only now may the engine be ready: it was not stopped, and has heard of one job only.
    await writeFile(`${module.path}.go`, '');
    expect((await answered).text).toBe(`1: ${next.request.text}`);
  });

  it('says why it cannot start', async () => {
    await expect(start(join(pack.folder, 'nowhere')).ready()).rejects.toMatchObject({ code: 'not_found' });
    const cut = join(pack.folder, 'cut');
    await cp(pack.packFolder, cut, { recursive: true });
    await truncate(join(cut, 'language-step.onnx'), 100);
    await expect(start(cut).ready()).rejects.toMatchObject({ code: 'damaged_pack' });
    const garbled = join(pack.folder, 'garbled');
    await cp(pack.packFolder, garbled, { recursive: true });
    await writeFile(join(garbled, 'pack.json'), '{"format": "mumu-pack/1"}');
    await expect(start(garbled).ready()).rejects.toMatchObject({ code: 'damaged_pack' });
  });
});
