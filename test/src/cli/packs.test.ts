import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildPack, clearLeftovers } from '#models/packs/build';
import { verifyPack } from '#models/packs/read';
import { ensurePack, rebuildPack } from '#src/cli/packs';
import { writeRandomCheckpoint } from '#test/support/random-checkpoint';

let folder: string;
let checkpoint: string;
let packs: string;
let pack: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-build-'));
  checkpoint = join(folder, 'checkpoint');
  packs = join(folder, 'packs');
  pack = join(packs, 'tiny');
  await writeRandomCheckpoint(checkpoint);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const place = () => ({ dataFolder: folder });

it('waits for the build of another container, and leaves its folder alone', async () => {
  await mkdir(packs);
  const lock = join(packs, '.tiny.lock');
  const pid = spawnSync(process.execPath, ['-e', '']).pid;
  await writeFile(lock, JSON.stringify({ pid, started: '1', nonce: 'x', space: 'another container' }));
  const theirs = `${pack}.building-1`;
  await mkdir(theirs);
  const waiting = await new Promise<{ done: Promise<string> }>((resolve) => {
    const done = ensurePack(place(), 'tiny', { checkpoint, onWait: () => resolve({ done }) });
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await utimes(lock, new Date(), new Date());
  expect((await readdir(packs)).sort()).toEqual(['.tiny.lock', 'tiny.building-1']);
  // It comes to its end there, and is used here.
  await buildPack(checkpoint, join(folder, 'elsewhere'));
  await cp(join(folder, 'elsewhere'), theirs, { recursive: true });
  await rename(theirs, pack);
  await rm(lock);
  expect(await waiting.done).toBe(pack);
  expect(await readdir(packs)).toEqual(['tiny']);
  await verifyPack(pack);
});

it('builds the same pack twice at once without harm', async () => {
  await Promise.all([buildPack(checkpoint, pack), buildPack(checkpoint, pack), buildPack(checkpoint, pack)]);
  await verifyPack(pack);
  expect(await readdir(packs)).toEqual(['tiny']);
});

it('never puts half a pack in place, though somebody clears it away while it is built', async () => {
  await buildPack(checkpoint, pack, { dtype: 'int8' });
  // As by an earlier version, which removed file after file where they lay.
  let removed: Promise<unknown> = Promise.resolve();
  const robbed = buildPack(checkpoint, pack, {
    onProgress: ({ done, of }) => {
      if (done !== of - 1) return;
      removed = readdir(packs).then(async (names) => {
        const building = names.find((name) => name.includes('.building-')) ?? '';
        await rm(join(packs, building, 'projector.onnx'));
      });
    },
  });
  await expect(robbed).rejects.toMatchObject({ name: 'MumuError' });
  await removed;
  expect((await verifyPack(pack)).dtype).toBe('int8');
  let cleared: Promise<unknown> = Promise.resolve();
  const taken = buildPack(checkpoint, pack, {
    onProgress: ({ done, of }) => {
      if (done === of - 1) cleared = clearLeftovers(pack);
    },
  });
  await expect(taken).rejects.toMatchObject({ name: 'MumuError' });
  await cleared;
  expect((await verifyPack(pack)).dtype).toBe('int8');
  expect(await readdir(packs)).toEqual(['tiny']);
});

it('clears away what killed builds of this pack left, and nothing of other packs', async () => {
  await mkdir(packs);
  for (const name of ['tiny.building-123', 'tiny.old-456', 'tiny.en.building-1'])
    await mkdir(join(packs, name));
  await rebuildPack(place(), 'tiny', { checkpoint });
  expect((await readdir(packs)).sort()).toEqual(['tiny', 'tiny.en.building-1']);
});
