import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { MumuError, toMumuError } from '#contracts/errors';
import type { Logger } from '#src/log';
import {
  type Content,
  contentSchema,
  type Hold,
  type PutOptions,
  type Storage,
  type StoredFile,
  storageKeySchema,
} from '#src/storage/storage';

const sidecarSchema = contentSchema.extend({ bytes: z.number().int().nonnegative() });

export interface FolderStorageOptions {
  folder: string;
  /** Most bytes of all files together. */
  maxBytes: number;
  /** Files unused for longer are removed, milliseconds. */
  keepMilliseconds: number;
  /** Keys that waiting and running jobs need. */
  filesInUse(): Promise<Set<string>>;
  /**
   * Files used within this time are never removed: they may belong to a request that another process is about to
   * queue. Milliseconds, default one minute.
   */
  graceMilliseconds?: number;
  log: Logger;
}

interface Entry {
  key: string;
  bytes: number;
  usedAt: number;
}

/**
 * Files in a folder: `files/ab/abcd...` with the content and `files/ab/abcd....json` with what is known of it.
 * The content's modification time says when it was last used, so several processes may share the folder.
 */
export class FolderStorage implements Storage {
  private readonly held = new Map<string, number>();
  private total = 0;
  private sweeping: Promise<void> | undefined;

  private constructor(private readonly options: FolderStorageOptions) {}

  /** Makes the folder, clears what a crash left half-written, and sweeps. */
  static async open(options: FolderStorageOptions): Promise<FolderStorage> {
    const storage = new FolderStorage(options);
    await mkdir(storage.incoming(), { recursive: true });
    await mkdir(join(options.folder, 'files'), { recursive: true });
    for (const name of await readdir(storage.incoming())) {
      const path = join(storage.incoming(), name);
      const found = await stat(path).catch(() => undefined);
      // Another process may be writing a young one.
      if (found !== undefined && Date.now() - found.mtimeMs > 3600_000) await rm(path, { force: true });
    }
    await storage.sweep();
    return storage;
  }

  async put(source: Readable, options: PutOptions): Promise<StoredFile> {
    const path = join(this.incoming(), randomUUID());
    try {
      const hash = createHash('sha256');
      let bytes = 0;
      const meter = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          if (bytes > options.maxBytes) {
            done(new MumuError('too_large', `The file is larger than ${megabytes(options.maxBytes)}.`));
            return;
          }
          hash.update(chunk);
          done(null, chunk);
        },
      });
      await pipeline(source, meter, createWriteStream(path, { mode: 0o600 }), {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      if (bytes === 0) throw new MumuError('invalid_input', 'The file is empty.');
      const content = await options.inspect(path);
      return await this.adopt(path, hash.digest('hex'), bytes, content);
    } catch (error) {
      throw toMumuError(error);
    } finally {
      await rm(path, { force: true });
    }
  }

  async putFile(original: string, content: Content): Promise<StoredFile> {
    const path = join(this.incoming(), randomUUID());
    try {
      await copyFile(original, path);
      const hash = createHash('sha256');
      await pipeline(createReadStream(path), hash);
      return await this.adopt(path, hash.digest('hex'), (await stat(path)).size, content);
    } catch (error) {
      throw toMumuError(error);
    } finally {
      await rm(path, { force: true });
    }
  }

  async find(key: string): Promise<StoredFile | undefined> {
    const path = this.path(key);
    try {
      const sidecar = sidecarSchema.parse(JSON.parse(await readFile(`${path}.json`, 'utf8')));
      const now = new Date();
      await utimes(path, now, now);
      return { key, ...sidecar };
    } catch {
      return undefined;
    }
  }

  async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    await this.require(key);
    return createReadStream(this.path(key), range ?? {});
  }

  async localPath(key: string, _folder: string): Promise<string> {
    await this.require(key);
    return this.path(key);
  }

  hold(keys: Iterable<string>): Hold {
    const mine = [...keys];
    for (const key of mine) this.held.set(key, (this.held.get(key) ?? 0) + 1);
    return {
      release: () => {
        for (const key of mine.splice(0)) {
          const left = (this.held.get(key) ?? 1) - 1;
          if (left === 0) this.held.delete(key);
          else this.held.set(key, left);
        }
      },
    };
  }

  async remove(key: string): Promise<void> {
    const path = this.path(key);
    const found = await stat(path).catch(() => undefined);
    await rm(path, { force: true });
    await rm(`${path}.json`, { force: true });
    this.total -= found?.size ?? 0;
  }

  sweep(): Promise<void> {
    this.sweeping ??= this.sweepOnce(0).finally(() => {
      this.sweeping = undefined;
    });
    return this.sweeping;
  }

  /** Moves a finished file under its key: first what is known of it, so that content never stands without. */
  private async adopt(path: string, key: string, bytes: number, content: Content): Promise<StoredFile> {
    const known = await this.find(key);
    if (known !== undefined) return known;
    await this.makeRoom(bytes);
    const target = this.path(key);
    await mkdir(join(target, '..'), { recursive: true });
    const sidecar = `${path}.json`;
    try {
      await writeFile(sidecar, JSON.stringify({ ...content, bytes }));
      await rename(sidecar, `${target}.json`);
    } finally {
      await rm(sidecar, { force: true });
    }
    await rename(path, target);
    const now = new Date();
    await utimes(target, now, now);
    this.total += bytes;
    return { key, bytes, ...content };
  }

  private async makeRoom(bytes: number): Promise<void> {
    if (this.total + bytes <= this.options.maxBytes) return;
    await this.sweeping;
    await this.sweepOnce(bytes);
    if (this.total + bytes <= this.options.maxBytes) return;
    throw new MumuError(
      'disk_full',
      `The room for files (${megabytes(this.options.maxBytes)}, set by MUMU_STORAGE_MB) is taken by jobs under way: try again when they have ended.`,
    );
  }

  private async sweepOnce(wanted: number): Promise<void> {
    const entries = await this.entries();
    const inUse = await this.options.filesInUse();
    const now = Date.now();
    const grace = this.options.graceMilliseconds ?? 60_000;
    this.total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    for (const entry of entries.sort((a, b) => a.usedAt - b.usedAt)) {
      const expired = now - entry.usedAt > this.options.keepMilliseconds;
      const over = this.total + wanted > this.options.maxBytes;
      if (!expired && !over) break;
      if (now - entry.usedAt < grace || this.held.has(entry.key) || inUse.has(entry.key)) continue;
      // Another process may have used it, or removed it, since the folder was read.
      const found = await stat(this.path(entry.key)).catch(() => undefined);
      if (found !== undefined && found.mtimeMs > entry.usedAt) continue;
      // Content first: a sidecar without content is found by nobody and written over.
      await rm(this.path(entry.key), { force: true });
      await rm(`${this.path(entry.key)}.json`, { force: true });
      this.total -= entry.bytes;
      this.options.log.info({ key: entry.key.slice(0, 12), expired }, 'stored file removed');
    }
  }

  private async entries(): Promise<Entry[]> {
    const root = join(this.options.folder, 'files');
    const entries: Entry[] = [];
    for (const part of await readdir(root)) {
      for (const key of await readdir(join(root, part)).catch(() => [])) {
        if (!storageKeySchema.safeParse(key).success) continue;
        const found = await stat(join(root, part, key)).catch(() => undefined);
        if (found !== undefined) entries.push({ key, bytes: found.size, usedAt: found.mtimeMs });
      }
    }
    return entries;
  }

  private async require(key: string): Promise<void> {
    if ((await this.find(key)) !== undefined) return;
    throw new MumuError('not_found', 'The file is no longer stored: send it again.');
  }

  private incoming(): string {
    return join(this.options.folder, 'incoming');
  }

  /** A key is checked before it becomes part of a path. */
  private path(key: string): string {
    if (!storageKeySchema.safeParse(key).success) {
      throw new MumuError('invalid_input', 'A file key is 64 hexadecimal digits.');
    }
    return join(this.options.folder, 'files', key.slice(0, 2), key);
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}
