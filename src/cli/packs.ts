import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MumuError, toMumuError } from '#contracts/errors';
import { optionsSchema } from '#contracts/request';
import { buildPack, clearLeftovers } from '#models/packs/build';
import { listPacks as listBuilt, packIsCurrent, verifyPack } from '#models/packs/read';
import type { PackDtype, PackManifest } from '#models/packs/schema';
import { type Config, repositoryFolder } from '#src/config';
import { waitForLock } from '#src/files/process-lock';

export interface PackListing {
  name: string;
  state: 'ready' | 'outdated' | 'damaged' | 'not built';
  /** Of a pack that can be read. */
  variant?: string;
  dtype?: PackDtype;
  bytes?: number;
  /** Why it cannot be used. */
  problem?: string;
}

export interface BuildOptions {
  dtype?: PackDtype;
  /** Checkpoint folder; default: `models/NAME` of the repository. */
  checkpoint?: string;
  /** Another process builds the same pack: this one waits. */
  onWait?: () => void;
  onProgress?: (fraction: number) => void;
}

type Place = Pick<Config, 'dataFolder'>;

/**
 * The folder of a pack that can be loaded. A pack whose checkpoint ships with the repository is built on first need,
 * and anew when checkpoint or builder have changed.
 * @throws MumuError not_found, damaged_pack, disk_full
 */
export async function ensurePack(config: Place, name: string, options: BuildOptions = {}): Promise<string> {
  const folder = packFolder(config, name);
  const checkpoint = options.checkpoint ?? shippedCheckpoint(name);
  if (checkpoint === undefined) {
    if (existsSync(join(folder, 'pack.json'))) return folder;
    throw unknownPack(name);
  }
  if (!(await packIsCurrent(folder, checkpoint))) await build(config, name, checkpoint, options, false);
  return folder;
}

/** Builds a pack whether or not it is there. @throws MumuError not_found, damaged_pack, cannot_do, disk_full */
export async function rebuildPack(config: Place, name: string, options: BuildOptions = {}): Promise<string> {
  const checkpoint = options.checkpoint ?? shippedCheckpoint(name);
  if (checkpoint === undefined) throw unknownPack(name);
  await build(config, name, checkpoint, options, true);
  return packFolder(config, name);
}

/** One build of a pack at a time, over all processes that share the folder; whoever waited finds it done. */
async function build(
  config: Place,
  name: string,
  checkpoint: string,
  options: BuildOptions,
  always: boolean,
): Promise<void> {
  const packs = join(config.dataFolder, 'packs');
  const folder = packFolder(config, name);
  try {
    await mkdir(packs, { recursive: true });
    const waiting = options.onWait === undefined ? {} : { onWait: options.onWait };
    const lock = await waitForLock(join(packs, `.${name}.lock`), waiting);
    try {
      if (!always && (await packIsCurrent(folder, checkpoint))) return;
      // Left by builds that were killed: the lock says that none is under way.
      await clearLeftovers(folder);
      await buildPack(checkpoint, folder, {
        ...(options.dtype === undefined ? {} : { dtype: options.dtype }),
        onProgress: ({ done, of }) => options.onProgress?.(done / of),
      });
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw toMumuError(error);
  }
}

/** Packs that are built or could be, by name. */
export async function listPacks(config: Place): Promise<PackListing[]> {
  const listing: PackListing[] = [];
  for (const pack of await listBuilt(join(config.dataFolder, 'packs'))) {
    const { name } = pack;
    if ('problem' in pack) {
      listing.push({ name, state: 'damaged', problem: pack.problem.message });
      continue;
    }
    const { variant, dtype } = pack.manifest;
    const checkpoint = shippedCheckpoint(name);
    const folder = packFolder(config, name);
    const isCurrent = checkpoint === undefined || (await packIsCurrent(folder, checkpoint));
    listing.push({ name, state: isCurrent ? 'ready' : 'outdated', variant, dtype, bytes: pack.bytes });
  }
  for (const entry of await readdir(join(repositoryFolder(), 'models'))) {
    const isListed = listing.some((pack) => pack.name === entry);
    if (!isListed && isName(entry) && shippedCheckpoint(entry) !== undefined) {
      listing.push({ name: entry, state: 'not built' });
    }
  }
  return listing.sort((a, b) => a.name.localeCompare(b.name));
}

/** Checks every file of a pack. @throws MumuError not_found, damaged_pack */
export async function checkPack(config: Place, name: string): Promise<PackManifest> {
  const folder = packFolder(config, name);
  if (!existsSync(join(folder, 'pack.json'))) throw unknownPack(name);
  return verifyPack(folder);
}

function packFolder(config: Place, name: string): string {
  return join(config.dataFolder, 'packs', checkName(name));
}

function shippedCheckpoint(name: string): string | undefined {
  const folder = join(repositoryFolder(), 'models', checkName(name));
  return existsSync(join(folder, 'checkpoint.json')) ? folder : undefined;
}

function isName(name: string): boolean {
  return optionsSchema.shape.pack.safeParse(name).success;
}

function checkName(name: string): string {
  if (isName(name)) return name;
  throw new MumuError('invalid_input', 'A pack is named by lower-case letters, digits, dots and dashes.');
}

function unknownPack(name: string): MumuError {
  return new MumuError('not_found', `There is no pack ${name}: "mumu packs list" shows those there are.`);
}
