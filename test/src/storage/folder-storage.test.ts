import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MumuError } from '#contracts/errors';
import { createLogger } from '#src/log';
import { FolderStorage } from '#src/storage/folder-storage';
import type { Content } from '#src/storage/storage';

const AUDIO: Content = { kind: 'audio', mime: 'audio/wav', seconds: 2 };
const inspect = async () => AUDIO;

let folder: string;
let inUse: Set<string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-storage-'));
  inUse = new Set();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function open(maxBytes = 1000, keepMilliseconds = 3600_000): Promise<FolderStorage> {
  return FolderStorage.open({
    folder,
    maxBytes,
    keepMilliseconds,
    graceMilliseconds: 1000,
    filesInUse: async () => inUse,
    log: createLogger('silent'),
  });
}

function put(storage: FolderStorage, bytes: Buffer, maxBytes = 500) {
  return storage.put(Readable.from([bytes]), { maxBytes, inspect });
}

/** Makes a file look unused for so many seconds. */
async function age(key: string, seconds: number): Promise<void> {
  const then = new Date(Date.now() - seconds * 1000);
  await utimes(join(folder, 'files', key.slice(0, 2), key), then, then);
}

describe('FolderStorage', () => {
  it('keeps content under its SHA-256 and gives it back, whole and in part', async () => {
    const storage = await open();
    const content = randomBytes(300);
    const stored = await put(storage, content);
    expect(stored).toEqual({
      key: createHash('sha256').update(content).digest('hex'),
      bytes: 300,
      ...AUDIO,
    });
    expect(await buffer(await storage.read(stored.key))).toEqual(content);
    expect(await buffer(await storage.read(stored.key, { start: 10, end: 19 }))).toEqual(
      content.subarray(10, 20),
    );
    expect(await storage.find(stored.key)).toEqual(stored);
    expect(await put(storage, content)).toEqual(stored);
    const again = await open();
    expect(await again.find(stored.key)).toEqual(stored);
  });

  it('takes a file of the machine in and leaves the original', async () => {
    const storage = await open();
    const path = join(folder, 'result.wav');
    await writeFile(path, 'sound');
    const stored = await storage.putFile(path, AUDIO);
    expect(stored.key).toBe(createHash('sha256').update('sound').digest('hex'));
    await rm(path);
    expect(await buffer(await storage.read(stored.key))).toEqual(Buffer.from('sound'));
  });

  it('refuses what is empty, too large or not media, and keeps nothing of it', async () => {
    const storage = await open();
    await expect(put(storage, Buffer.alloc(0))).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(put(storage, randomBytes(501))).rejects.toMatchObject({ code: 'too_large' });
    const refused = storage.put(Readable.from([randomBytes(10)]), {
      maxBytes: 500,
      inspect: async () => {
        throw new MumuError('unsupported_media', 'This is no music.');
      },
    });
    await expect(refused).rejects.toMatchObject({ code: 'unsupported_media' });
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
    expect(await readdir(join(folder, 'files'))).toEqual([]);
  });

  it('keeps nothing of an upload that broke off', async () => {
    const storage = await open();
    const broken = new Readable({
      read() {
        this.push(randomBytes(10));
        this.destroy(new Error('connection reset'));
      },
    });
    await expect(storage.put(broken, { maxBytes: 500, inspect })).rejects.toBeInstanceOf(MumuError);
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
  });

  it('makes room by what was unused longest, but not by what jobs or requests need', async () => {
    const storage = await open(1000);
    const [oldest, older, young] = [
      await put(storage, randomBytes(300)),
      await put(storage, randomBytes(300)),
      await put(storage, randomBytes(300)),
    ];
    await age(oldest.key, 300);
    await age(older.key, 200);
    await age(young.key, 100);
    inUse.add(oldest.key);
    const fourth = await put(storage, randomBytes(300));
    expect(await storage.find(oldest.key)).toBeDefined();
    expect(await storage.find(older.key)).toBeUndefined();
    expect(await storage.find(young.key)).toBeDefined();
    await age(young.key, 100);
    await age(fourth.key, 50);
    const hold = storage.hold([young.key]);
    await put(storage, randomBytes(300));
    expect(await storage.find(young.key)).toBeDefined();
    expect(await storage.find(fourth.key)).toBeUndefined();
    hold.release();
  });

  it('says that it is full when everything is needed', async () => {
    const storage = await open(500);
    const kept = await put(storage, randomBytes(400));
    await age(kept.key, 300);
    inUse.add(kept.key);
    await expect(put(storage, randomBytes(400))).rejects.toMatchObject({ code: 'disk_full' });
    expect(await storage.find(kept.key)).toBeDefined();
  });

  it('keeps what another process uses while the folder is swept', async () => {
    const storage = await open(1000, 60_000);
    const other = await open(1000, 60_000);
    const [used, old] = [await put(storage, randomBytes(10)), await put(storage, randomBytes(10))];
    await age(used.key, 300);
    await age(old.key, 120);
    // The folder was read when it is asked what jobs need.
    const asked = vi.fn(async () => {
      expect(await other.find(used.key)).toBeDefined();
      return inUse;
    });
    const sweeping = await FolderStorage.open({
      ...{ folder, maxBytes: 1000, keepMilliseconds: 60_000, graceMilliseconds: 1000, filesInUse: asked },
      log: createLogger('silent'),
    });
    expect(asked).toHaveBeenCalledOnce();
    expect(await other.find(old.key)).toBeUndefined();
    expect(await other.find(used.key)).toBeDefined();
    expect(await buffer(await sweeping.read(used.key))).toHaveLength(10);
    // What it holds still counts.
    await expect(put(sweeping, randomBytes(995), 1000)).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('removes what has expired', async () => {
    const storage = await open(1000, 60_000);
    const [old, young] = [await put(storage, randomBytes(10)), await put(storage, randomBytes(10))];
    await age(old.key, 120);
    await storage.sweep();
    expect(await storage.find(old.key)).toBeUndefined();
    expect(await storage.find(young.key)).toBeDefined();
  });

  it('lets no key out of its folder', async () => {
    const storage = await open();
    await expect(storage.read('../../etc/passwd')).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
