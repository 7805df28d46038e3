import { afterAll, beforeAll, expect, it } from 'vitest';
import { chooseDevice } from '#inference/runtime/device';
import { loadPack } from '#models/packs/read';
import { randomPack } from '#test/support/random-pack';

let pack: Awaited<ReturnType<typeof randomPack>>;
let graph: string;

beforeAll(async () => {
  pack = await randomPack();
  graph = (await loadPack(pack.packFolder)).graph('injection');
});
afterAll(() => pack?.remove());

it('takes the CPU where it is asked for', async () => {
  expect(await chooseDevice('cpu', graph, 3)).toEqual({
    name: 'cpu',
    why: 'asked for',
    providers: ['cpu'],
    threads: 3,
  });
});

it('chooses by itself and says why', async () => {
  const device = await chooseDevice('auto', graph);
  expect(['cpu', 'cuda']).toContain(device.name);
  expect(device.why.length).toBeGreaterThan(5);
  expect(device.threads).toBeGreaterThan(0);
});

it('either works on the device asked for or says what to do', async () => {
  const device = await chooseDevice('cuda', graph).catch((error: unknown) => error);
  if (device instanceof Error) {
    expect(device).toMatchObject({
      code: 'missing_dependency',
      message: expect.stringMatching(/--device cpu/),
    });
  } else {
    expect(device).toMatchObject({ name: 'cuda' });
  }
});
