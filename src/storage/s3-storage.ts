import { copyFile, link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import { FileUses } from '#src/storage/file-uses';
import { FolderStorage } from '#src/storage/folder-storage';
import { gone, S3Bucket } from '#src/storage/s3-bucket';
import type { Content, Hold, PutOptions, Storage, StoredFile } from '#src/storage/storage';

/** How often held files are counted as used, so that no other process takes them for unused, milliseconds. */
const HOLD_INTERVAL = 20_000;

export interface S3StorageOptions {
  s3: NonNullable<Config['s3']>;
  /** Where uses are noted; the store ends no connection. */
  redis: Redis;
  /** First part of keys in Redis. */
  redisPrefix: string;
  /** Folder of this machine for files on their way, and for copies of those used lately. */
  cacheFolder: string;
  /** Most bytes of those copies. */
  cacheBytes: number;
  /** Most bytes of all files in the bucket. */
  maxBytes: number;
  /** Files unused for longer are removed, milliseconds. */
  keepMilliseconds: number;
  /** Keys that waiting and running jobs need. */
  filesInUse(): Promise<Set<string>>;
  /** Files used within this time are never removed, milliseconds; default two minutes. */
  graceMilliseconds?: number;
  log: Logger;
}

/**
 * Files in a bucket of any server that speaks S3, shared by machines. What comes in is looked into and hashed in a
 * folder of this machine first, which also keeps copies of what was used within a day. Uses are noted in Redis
 * (see FileUses), so whichever process sweeps knows what all of them need.
 */
export class S3Storage implements Storage {
  private readonly held = new Map<string, number>();
  private holding: NodeJS.Timeout | undefined;

  private constructor(
    private readonly options: S3StorageOptions,
    private readonly bucket: S3Bucket,
    private readonly uses: FileUses,
    private readonly cache: FolderStorage,
  ) {}

  /**
   * Opens the bucket, which has to be there.
   * @throws MumuError missing_dependency (no such bucket, not allowed), unavailable
   */
  static async open(options: S3StorageOptions): Promise<S3Storage> {
    const { s3, redis, redisPrefix, log } = options;
    const bucket = new S3Bucket(s3);
    try {
      await bucket.check();
      const cache = await FolderStorage.open({
        folder: options.cacheFolder,
        maxBytes: options.cacheBytes,
        keepMilliseconds: Math.min(options.keepMilliseconds, 24 * 3600_000),
        filesInUse: async () => new Set(),
        log,
      });
      const uses = new FileUses(redis, `${redisPrefix}:files:${s3.bucket}:${s3.prefix}`);
      return new S3Storage(options, bucket, uses, cache);
    } catch (error) {
      bucket.close();
      throw error;
    }
  }

  /** Ends the connections to the server. */
  close(): void {
    clearInterval(this.holding);
    this.bucket.close();
  }

  async put(source: Readable, options: PutOptions): Promise<StoredFile> {
    return this.upload(await inCache(() => this.cache.put(source, options)));
  }

  async putFile(path: string, content: Content): Promise<StoredFile> {
    return this.upload(await inCache(() => this.cache.putFile(path, content)));
  }

  async find(key: string): Promise<StoredFile | undefined> {
    // Counted as a use first: from here on no sweep takes it, and one that was quicker has the last word.
    if (!(await this.uses.touch(key))) return undefined;
    const found = await this.bucket.head(key);
    if (found === undefined) await this.uses.untouch(key);
    return found;
  }

  async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    await this.require(key);
    return this.bucket.download(key, range);
  }

  async localPath(key: string, folder: string): Promise<string> {
    const { bytes, kind, mime, seconds } = await this.require(key);
    if ((await this.cache.find(key)) === undefined) {
      const content: Content = { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
      const source = await this.bucket.download(key);
      const fetched = await inCache(() =>
        this.cache.put(source, { maxBytes: bytes, inspect: async () => content }),
      );
      if (fetched.key !== key) {
        await this.cache.remove(fetched.key);
        throw new MumuError('not_found', 'The stored file is damaged: send it again.');
      }
    }
    const cached = await this.cache.localPath(key, folder);
    const path = join(folder, key);
    await mkdir(folder, { recursive: true });
    // A link, because the copy may be cleaned away while the job reads.
    await link(cached, path).catch((error: NodeJS.ErrnoException) =>
      error.code === 'EEXIST' ? undefined : copyFile(cached, path),
    );
    return path;
  }

  hold(keys: Iterable<string>): Hold {
    const mine = [...keys];
    const inCache = this.cache.hold(mine);
    for (const key of mine) this.held.set(key, (this.held.get(key) ?? 0) + 1);
    // Other processes sweep the same bucket: what this one holds is used anew, again and again.
    this.holding ??= setInterval(() => this.touchHeld(), HOLD_INTERVAL).unref();
    return {
      release: () => {
        inCache.release();
        for (const key of mine.splice(0)) {
          const left = (this.held.get(key) ?? 1) - 1;
          if (left === 0) this.held.delete(key);
          else this.held.set(key, left);
        }
        if (this.held.size > 0) return;
        clearInterval(this.holding);
        this.holding = undefined;
      },
    };
  }

  async remove(key: string): Promise<void> {
    // Claimed whatever its last use: somebody wants it gone.
    await this.uses.claim(key, Number.MAX_SAFE_INTEGER);
    await this.erase(key);
    await this.cache.remove(key);
  }

  async sweep(): Promise<void> {
    await this.cache.sweep();
    await this.uses.alone('sweep', async () => {
      const noted = new Map((await this.uses.all()).map((use) => [use.key, use]));
      for await (const { key, bytes, modifiedAt } of this.bucket.list()) {
        // Without a note: a crash right after an upload, or a Redis that was lost.
        if (!noted.delete(key)) await this.uses.add(key, bytes, modifiedAt);
      }
      const grace = Date.now() - this.grace;
      // A note without a file: somebody else has cleaned the bucket up.
      for (const { key, usedAt } of noted.values()) if (usedAt < grace) await this.uses.forget(key);
      await this.sweepOnce(0);
    });
  }

  /** Brings a file of the cache into the bucket, unless it is there, and sees that it is. */
  private async upload(file: StoredFile): Promise<StoredFile> {
    const hold = this.hold([file.key]);
    try {
      for (let attempt = 0; attempt < 3; attempt++) {
        // Somebody may be removing the same content at this moment: wait until it is gone.
        while (!(await this.uses.touch(file.key))) await delay(200);
        const known = await this.find(file.key);
        if (known !== undefined) {
          await this.uses.add(known.key, known.bytes);
          return known;
        }
        await this.makeRoom(file.bytes);
        await this.bucket.upload(file, await this.cache.localPath(file.key, ''));
      }
      throw new MumuError('unavailable', 'The file store (S3) did not keep the file: try again.');
    } finally {
      hold.release();
    }
  }

  private async makeRoom(bytes: number): Promise<void> {
    const { maxBytes } = this.options;
    if ((await this.uses.total()) + bytes <= maxBytes) return;
    await this.sweepOnce(bytes);
    if ((await this.uses.total()) + bytes <= maxBytes) return;
    throw new MumuError(
      'disk_full',
      `The room for files (${Math.round(maxBytes / 1024 / 1024)} MB, set by MUMU_STORAGE_MB) is taken by jobs under way: try again when they have ended.`,
    );
  }

  private async sweepOnce(wanted: number): Promise<void> {
    const { maxBytes, keepMilliseconds, log } = this.options;
    const inUse = await this.options.filesInUse();
    const now = Date.now();
    let total = await this.uses.total();
    for (const { key, usedAt, bytes } of await this.uses.all()) {
      const expired = now - usedAt > keepMilliseconds;
      if (!expired && total + wanted <= maxBytes) break;
      if (now - usedAt < this.grace || this.held.has(key) || inUse.has(key)) continue;
      if (!(await this.uses.claim(key, usedAt))) continue;
      await this.erase(key);
      total -= bytes;
      log.info({ key: key.slice(0, 12), expired }, 'stored file removed');
    }
  }

  private get grace(): number {
    return this.options.graceMilliseconds ?? 120_000;
  }

  private async erase(key: string): Promise<void> {
    await this.bucket.remove(key);
    await this.uses.forget(key);
  }

  private touchHeld(): void {
    for (const key of this.held.keys()) {
      this.uses.touch(key).catch((error: Error) => {
        this.options.log.warn({ error: error.message }, 'could not note that a file is held');
      });
    }
  }

  private async require(key: string): Promise<StoredFile> {
    const known = await this.find(key);
    if (known === undefined) throw gone();
    return known;
  }
}

/** The cache's room is this machine's, not the store's: that it is taken passes. */
async function inCache<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MumuError) || error.code !== 'disk_full') throw error;
    throw new MumuError('unavailable', 'Too many files are on their way here: try again in a minute.', {
      cause: error,
    });
  }
}
