import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryLock, waitForLock } from '#src/files/process-lock';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-lock-'));
  path = join(folder, 'a.lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a process lock', () => {
  it('is held by one, whoever comes at once', async () => {
    const taken = await Promise.all(Array.from({ length: 8 }, () => tryLock(path)));
    expect(taken.filter((lock) => 'release' in lock)).toHaveLength(1);
    expect(taken.filter((lock) => 'pid' in lock && lock.pid === process.pid)).toHaveLength(7);
    expect(await readdir(folder)).toEqual(['a.lock']);
  });

  it('of a dead process, or half-written, is taken over by one', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    for (const left of [JSON.stringify({ pid: dead, started: '1', nonce: 'x' }), '{"pid"']) {
      await writeFile(path, left);
      const taken = await Promise.all(Array.from({ length: 8 }, () => tryLock(path)));
      const locks = taken.flatMap((lock) => ('release' in lock ? [lock] : []));
      expect(locks).toHaveLength(1);
      await locks[0]?.release();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('is waited for', async () => {
    const first = await tryLock(path);
    const waited: number[] = [];
    const second = waitForLock(path, { onWait: (pid) => waited.push(pid) });
    if ('release' in first) setTimeout(() => void first.release(), 50);
    await (await second).release();
    expect(waited).toEqual([process.pid]);
  });
});

describe('a lock held in another container', () => {
  const dead = () => spawnSync(process.execPath, ['-e', '']).pid;
  /** Of a process that cannot be seen from here; its number may be anybody's here, or nobody's. */
  const write = (pid: number) =>
    writeFile(path, JSON.stringify({ pid, started: '1', nonce: 'other', space: 'another container' }));
  const age = async (seconds: number) => {
    const then = new Date(Date.now() - seconds * 1000);
    await utimes(path, then, then);
  };
  const nonce = async () => (JSON.parse(await readFile(path, 'utf8')) as { nonce: string }).nonce;

  it('is left alone while its holder gives signs of life', async () => {
    const pid = dead();
    await write(pid);
    const beating = setInterval(() => void age(0), 50);
    try {
      // Long silent by the clock, as after a standstill of the machine; then it beats again.
      await age(3600);
      const taken = await Promise.all(
        Array.from({ length: 4 }, () => tryLock(path, { silence: 2000, watched: 2000 })),
      );
      expect(taken).toEqual(Array.from({ length: 4 }, () => ({ pid })));
      const waited = waitForLock(path, { silence: 2000, watched: 2000, signal: AbortSignal.timeout(4000) });
      await expect(waited).rejects.toMatchObject({ name: 'AbortError' });
      expect(await nonce()).toBe('other');
      expect(await readdir(folder)).toEqual(['a.lock']);
    } finally {
      clearInterval(beating);
    }
  });

  it('is taken over by one once its holder was silent for long, whoever has its number here', async () => {
    for (const pid of [dead(), process.pid]) {
      await write(pid);
      await age(3600);
      const taken = await Promise.all(
        Array.from({ length: 4 }, () => tryLock(path, { watched: 100, beat: 50 })),
      );
      const locks = taken.flatMap((lock) => ('release' in lock ? [lock] : []));
      expect(locks).toHaveLength(1);
      await locks[0]?.release();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('is held by one, whoever comes at once from wherever', async () => {
    const [here, there] = ['here', 'there'].map((space) => ({
      space,
      beat: 30,
      silence: 2000,
      watched: 2000,
    }));
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, index) => tryLock(path, index % 2 === 0 ? here : there)),
    );
    const locks = taken.flatMap((lock) => ('release' in lock ? [lock] : []));
    expect(locks).toHaveLength(1);
    const before = (await stat(path)).mtimeMs;
    await delay(1000);
    expect((await stat(path)).mtimeMs).toBeGreaterThan(before);
    expect(await Promise.all([tryLock(path, here), tryLock(path, there)])).toEqual([
      { pid: process.pid },
      { pid: process.pid },
    ]);
    await locks[0]?.release();
    const next = await tryLock(path, there);
    expect(next).toHaveProperty('release');
    if ('release' in next) await next.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is lost quietly by a holder that stood still for too long', async () => {
    const frozen = await tryLock(path, { space: 'there', beat: 3_600_000 });
    const other = await tryLock(path, { space: 'here', silence: 300, watched: 300, beat: 30 });
    expect(other).toHaveProperty('release');
    const mine = await nonce();
    if ('release' in frozen) await frozen.release();
    expect(await nonce()).toBe(mine);
    if ('release' in other) await other.release();
    expect(await readdir(folder)).toEqual([]);
  });
});
