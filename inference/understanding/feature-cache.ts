import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';

/** A feature of LLaMA's width, and what decoding the file had to say: it belongs to later answers too. */
export type Heard = { feature: Float32Array; notes: string[] };

const notesSchema = z.array(z.string());
const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/**
 * Adapter features by content hash, in memory and on disk (one .npy file each, `[1, dim]`
 * float32, with the notes as JSON behind the array, where NumPy does not look), so that a
 * follow-up question about the same song skips the encoder. The key holds the pack's fingerprint: another pack's
 * features are never taken. Bounded: what was unused longest goes first. A feature that is not all numbers would make
 * every later answer about its file empty: none is kept or taken.
 */
export class FeatureCache {
  private readonly memory = new Map<string, Heard>();

  constructor(
    private readonly folder: string,
    private readonly limits = { memory: 256, disk: 4096 },
  ) {}

  /**
   * What is known under `key`, computed and kept if it is new. A disk that cannot be used only costs time.
   * @throws MumuError internal where what was computed is not all numbers
   */
  async take(key: string, compute: () => Promise<Heard>): Promise<Heard> {
    const known = this.memory.get(key) ?? (await this.readFile(key));
    const heard = known ?? (await compute());
    if (!allNumbers(heard.feature)) {
      throw new MumuError('internal', 'The encoder answered with values that are no numbers for this file.');
    }
    this.memory.delete(key);
    this.memory.set(key, heard);
    const oldest = this.memory.keys().next();
    if (this.memory.size > this.limits.memory && !oldest.done) this.memory.delete(oldest.value);
    if (known === undefined) await this.writeFile(key, heard);
    return heard;
  }

  private path(key: string): string {
    return join(this.folder, `${key}.npy`);
  }

  private async readFile(key: string): Promise<Heard | undefined> {
    try {
      const path = this.path(key);
      const heard = decodeHeard(await readFile(path));
      const now = new Date();
      await utimes(path, now, now);
      return heard;
    } catch {
      return undefined;
    }
  }

  private async writeFile(key: string, heard: Heard): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
      // Renamed into place: a process that dies here leaves no half file under the key.
      const part = `${this.path(key)}.${process.pid}.part`;
      await writeFile(part, encodeHeard(heard));
      await rename(part, this.path(key));
      await this.trim();
    } catch {
      // A full or read-only disk: features are computed again next time.
    }
  }

  private async trim(): Promise<void> {
    const names = await readdir(this.folder);
    if (names.length <= this.limits.disk) return;
    const aged = await Promise.all(
      names.map(async (name) => ({ name, used: (await stat(join(this.folder, name))).mtimeMs })),
    );
    aged.sort((a, b) => a.used - b.used);
    // A tenth at a time, so that not every write has to look.
    const many = Math.ceil(this.limits.disk / 10) + names.length - this.limits.disk;
    await Promise.all(aged.slice(0, many).map(({ name }) => rm(join(this.folder, name), { force: true })));
  }
}

/** NumPy's format 1.0, `[1, n]` little-endian float32, then the notes. */
export function encodeHeard({ feature, notes }: Heard): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (1, ${feature.length}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const header = Buffer.alloc(10 + padded.length);
  MAGIC.copy(header);
  header.writeUInt16LE(padded.length, 8);
  header.write(padded, 10, 'latin1');
  const values = Buffer.from(feature.buffer, feature.byteOffset, feature.byteLength);
  return Buffer.concat([header, values, Buffer.from(JSON.stringify(notes))]);
}

function allNumbers(feature: Float32Array): boolean {
  return feature.every((value) => Number.isFinite(value));
}

/** @throws Error when the bytes are not what encodeHeard writes, or hold what is no number */
export function decodeHeard(bytes: Buffer): Heard {
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw new Error('not a .npy file');
  const start = 10 + bytes.readUInt16LE(8);
  const count = Number(/\(1, (\d+)\)/.exec(bytes.toString('latin1', 10, start))?.[1]);
  const end = start + count * 4;
  if (!(bytes.length > end)) throw new Error('a .npy file shorter than it says');
  const notes = notesSchema.parse(JSON.parse(bytes.toString('utf8', end)));
  const feature = new Float32Array(Uint8Array.from(bytes.subarray(start, end)).buffer);
  if (!allNumbers(feature)) throw new Error('a .npy file with values that are no numbers');
  return { feature, notes };
}
