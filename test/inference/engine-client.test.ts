import { cp, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineJob } from '#contracts/engine';
import type { Progress } from '#contracts/progress';
import { type EngineClient, startEngine } from '#inference/engine-client';
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

function start(packFolder: string): EngineClient {
  const client = startEngine({
    packFolder,
    device: 'cpu',
    threads: 1,
    cacheFolder: join(pack.folder, 'cache'),
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
