import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { createLogger } from '#src/log';
import { FileUses } from '#src/storage/file-uses';
import { S3Storage, type S3StorageOptions } from '#src/storage/s3-storage';
import type { Content } from '#src/storage/storage';
import { describeWithPython } from '#test/models/support/python';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { startTestS3, type TestS3 } from '#test/support/s3';

const AUDIO: Content = { kind: 'audio', mime: 'audio/wav', seconds: 2.5 };
const inspect = async () => AUDIO;
const HOUR = 3600_000;

describeWithPython('S3Storage', () => {
  let s3: TestS3;
  let redis: TestRedis;
  let connection: Redis;
  let folder: string;
  let inUse: Set<string>;
  let round = 0;
  const opened: S3Storage[] = [];

  beforeAll(async () => {
    [s3, redis] = await Promise.all([startTestS3(), startTestRedis()]);
    connection = redis.access.connect('producer');
  });
  afterAll(async () => {
    await s3?.close();
    await redis?.close();
  });
  beforeEach(async () => {
    round += 1;
    folder = await mkdtemp(join(tmpdir(), 'mumu-s3-'));
    inUse = new Set();
  });
  afterEach(async () => {
    for (const storage of opened.splice(0)) storage.close();
    await rm(folder, { recursive: true, force: true });
  });

  const settings = () => ({ ...s3.settings, prefix: `round-${round}/` });

  /** One machine's view of the bucket: its own cache folder. */
  async function open(machine = 'one', given: Partial<S3StorageOptions> = {}): Promise<S3Storage> {
    const storage = await S3Storage.open({
      s3: settings(),
      redis: connection,
      redisPrefix: 'test',
      cacheFolder: join(folder, machine),
      cacheBytes: 50_000_000,
      maxBytes: 50_000_000,
      keepMilliseconds: HOUR,
      graceMilliseconds: 0,
      filesInUse: async () => inUse,
      log: createLogger('silent'),
      ...given,
    });
    opened.push(storage);
    return storage;
  }

  function put(storage: S3Storage, bytes: Buffer) {
    return storage.put(Readable.from([bytes]), { maxBytes: 40_000_000, inspect });
  }

  /** Makes a file look unused for so many milliseconds. */
  async function age(key: string, milliseconds: number): Promise<void> {
    const used = `test:files:${s3.settings.bucket}:round-${round}/:used`;
    await connection.zadd(used, Date.now() - milliseconds, key);
  }

  async function objects(): Promise<string[]> {
    const list = await s3.client.send(
      new ListObjectsV2Command({ Bucket: s3.settings.bucket, Prefix: `round-${round}/` }),
    );
    return (list.Contents ?? []).map(({ Key = '' }) => Key);
  }

  it('gives one machine what another put in, whole, in part and as a file', async () => {
    const [one, two] = [await open('one'), await open('two')];
    const content = randomBytes(3000);
    const stored = await put(one, content);
    const key = createHash('sha256').update(content).digest('hex');
    expect(stored).toEqual({ key, bytes: 3000, ...AUDIO });
    expect(await objects()).toEqual([`round-${round}/${key.slice(0, 2)}/${key}`]);
    expect(await two.find(key)).toEqual(stored);
    expect(await buffer(await two.read(key))).toEqual(content);
    expect(await buffer(await two.read(key, { start: 10, end: 19 }))).toEqual(content.subarray(10, 20));

    const job = join(folder, 'job');
    const path = await two.localPath(key, job);
    expect(path.startsWith(job)).toBe(true);
    expect(await readFile(path)).toEqual(content);
    // The job's copy outlives the cache's.
    await two.remove(key);
    expect(await readFile(path)).toEqual(content);
    expect(await one.find(key)).toBeUndefined();
    await expect(one.read(key)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('sends a large file in parts and does not send the same content twice', async () => {
    const storage = await open();
    const path = join(folder, 'song.wav');
    await writeFile(path, randomBytes(12_000_000));
    const [first, second] = await Promise.all([storage.putFile(path, AUDIO), storage.putFile(path, AUDIO)]);
    expect(second).toEqual(first);
    expect(await objects()).toHaveLength(1);
    expect((await buffer(await storage.read(first.key))).equals(await readFile(path))).toBe(true);
    expect((await stat(path)).size).toBe(12_000_000);
  });

  it('refuses what is empty, too large or not media, and keeps nothing of it', async () => {
    const storage = await open();
    await expect(put(storage, Buffer.alloc(0))).rejects.toMatchObject({ code: 'invalid_input' });
    const large = storage.put(Readable.from([randomBytes(600)]), { maxBytes: 500, inspect });
    await expect(large).rejects.toMatchObject({ code: 'too_large' });
    const refused = storage.put(Readable.from([randomBytes(10)]), {
      maxBytes: 500,
      inspect: async () => {
        throw new MumuError('unsupported_media', 'This is no music.');
      },
    });
    await expect(refused).rejects.toMatchObject({ code: 'unsupported_media' });
    expect(await objects()).toEqual([]);
    expect(await readdir(join(folder, 'one', 'incoming'))).toEqual([]);
  });

  it('removes what has expired, but not what a job or a request of any machine needs', async () => {
    const [one, two] = [await open('one'), await open('two', { graceMilliseconds: 60_000 })];
    const [old, queued, held, young] = [
      await put(one, randomBytes(10)),
      await put(one, randomBytes(10)),
      await put(one, randomBytes(10)),
      await put(one, randomBytes(10)),
    ];
    inUse.add(queued.key);
    for (const { key } of [old, queued, held]) await age(key, 2 * HOUR);
    const hold = one.hold([held.key]);
    await one.sweep();
    expect(await one.find(old.key)).toBeUndefined();
    for (const { key } of [queued, held, young]) expect(await two.find(key)).toBeDefined();
    hold.release();
    await age(held.key, 2 * HOUR);
    await two.sweep();
    expect(await one.find(held.key)).toBeUndefined();
  });

  it('makes room by what was unused longest, and says when all of it is needed', async () => {
    const storage = await open('one', { maxBytes: 1000 });
    const [oldest, older] = [await put(storage, randomBytes(400)), await put(storage, randomBytes(400))];
    await age(oldest.key, 5000);
    await age(older.key, 4000);
    inUse.add(oldest.key);
    const third = await put(storage, randomBytes(400));
    expect(await storage.find(oldest.key)).toBeDefined();
    expect(await storage.find(older.key)).toBeUndefined();
    inUse.add(third.key);
    await expect(put(storage, randomBytes(400))).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('takes up files that Redis knows nothing of, and drops notes of files that are gone', async () => {
    const storage = await open();
    const bytes = randomBytes(50);
    const key = createHash('sha256').update(bytes).digest('hex');
    const name = `round-${round}/${key.slice(0, 2)}/${key}`;
    const { bucket } = s3.settings;
    await s3.client.send(
      new PutObjectCommand({
        ...{ Bucket: bucket, Key: name, Body: bytes, ContentType: 'image/png', Metadata: { kind: 'image' } },
      }),
    );
    const lost = await put(storage, randomBytes(70));
    const uses = new FileUses(connection, `test:files:${bucket}:round-${round}/`);
    expect(await uses.total()).toBe(70);
    await s3.client.send(
      new DeleteObjectCommand({
        Bucket: bucket,
        Key: `round-${round}/${lost.key.slice(0, 2)}/${lost.key}`,
      }),
    );
    await age(lost.key, 1000);
    await storage.sweep();
    expect(await uses.total()).toBe(50);
    expect(await storage.find(key)).toEqual({ key, bytes: 50, kind: 'image', mime: 'image/png' });
    expect(await storage.find(lost.key)).toBeUndefined();
    expect((await uses.all()).map((use) => use.key)).toEqual([key]);
  });

  it('does not hand out content that is not what its key says', async () => {
    const storage = await open();
    const key = createHash('sha256').update('something else').digest('hex');
    await s3.client.send(
      new PutObjectCommand({
        ...{ Bucket: s3.settings.bucket, Key: `round-${round}/${key.slice(0, 2)}/${key}`, Body: 'changed' },
        ...{ ContentType: 'audio/wav', Metadata: { kind: 'audio', seconds: '1' } },
      }),
    );
    await expect(storage.localPath(key, join(folder, 'job'))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('says what to do about a bucket that is not there and a server that is away', async () => {
    const missing = open('one', { s3: { ...settings(), bucket: 'nowhere' } });
    await expect(missing).rejects.toMatchObject({ code: 'missing_dependency' });
    await expect(missing).rejects.toThrow(/bucket nowhere is not there: create it/);
    const away = open('one', { s3: { ...settings(), endpoint: 'http://127.0.0.1:9' } });
    await expect(away).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('lets no key out of its prefix', async () => {
    const storage = await open();
    await expect(storage.read('../../secret')).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

describe('FileUses', () => {
  let redis: TestRedis;
  let uses: FileUses;
  beforeAll(async () => {
    redis = await startTestRedis();
    uses = new FileUses(redis.access.connect('producer'), 'test:files');
  });
  afterAll(() => redis?.close());

  it('gives a file to a remover or to a user, never to both', async () => {
    await uses.add('a', 10, 1000);
    await uses.add('a', 10, 2000);
    expect(await uses.total()).toBe(10);
    // Used after the remover looked.
    expect(await uses.claim('a', 1000)).toBe(false);
    expect(await uses.touch('a', 3000)).toBe(true);
    expect(await uses.claim('a', 3000)).toBe(true);
    expect(await uses.touch('a')).toBe(false);
    expect(await uses.claim('a', 3000)).toBe(false);
    await uses.forget('a');
    expect(await uses.total()).toBe(0);
    expect(await uses.all()).toEqual([]);
    expect(await uses.touch('a')).toBe(true);
    await uses.untouch('a');
    expect(await uses.all()).toEqual([]);
  });
});
