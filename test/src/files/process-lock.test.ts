import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
