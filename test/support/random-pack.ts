import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PackTokenizer } from '#inference/language/tokens';
import { buildPack } from '#models/packs/build';
import { loadPack } from '#models/packs/read';
import { writeRandomCheckpoint } from '#test/support/random-checkpoint';

/** A tiny pack of random weights in a folder of its own, built by the same builder as any other. */
export async function randomPack(): Promise<{ folder: string; packFolder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-pack-'));
  await writeRandomCheckpoint(join(folder, 'checkpoint'));
  const packFolder = join(folder, 'packs', 'random');
  await buildPack(join(folder, 'checkpoint'), packFolder);
  return { folder, packFolder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The tokenizer of such a pack. */
export async function randomTokenizer(): Promise<PackTokenizer> {
  const { packFolder, remove } = await randomPack();
  try {
    const { manifest, tokenizer } = await loadPack(packFolder);
    return await PackTokenizer.load(tokenizer, manifest.tokenizer);
  } finally {
    await remove();
  }
}
