import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const holderSchema = z.object({ pid: z.number().int().positive(), started: z.string(), nonce: z.string() });
type Holder = z.infer<typeof holderSchema>;

/** A lock held by this process until `release` or its end. */
export interface ProcessLock {
  release(): Promise<void>;
}

/** The lock belongs to another living process. */
export interface LockedBy {
  pid: number;
}

/**
 * Takes a lock file for this process. A lock left by a process that died is taken over: the holder is known by
 * its process id and, where the system tells (Linux), the time it started, since ids are used again.
 * @returns the lock, or who holds it.
 */
export async function tryLock(path: string): Promise<ProcessLock | LockedBy> {
  await mkdir(dirname(path), { recursive: true });
  const self: Holder = {
    pid: process.pid,
    started: startTime(process.pid),
    nonce: randomBytes(8).toString('hex'),
  };
  for (;;) {
    if (await create(path, self)) return { release: () => release(path, self) };
    const holder = await read(path);
    if (holder === undefined) continue;
    if (holder !== 'unreadable' && isAlive(holder)) return { pid: holder.pid };
    await moveAside(path, holder);
  }
}

/**
 * Waits until the lock is free and takes it.
 * @param onWait called once with the holder's process id when there is something to wait for.
 */
export async function waitForLock(
  path: string,
  options: { signal?: AbortSignal; onWait?: (pid: number) => void } = {},
): Promise<ProcessLock> {
  let told = false;
  for (;;) {
    const lock = await tryLock(path);
    if ('release' in lock) return lock;
    if (!told) options.onWait?.(lock.pid);
    told = true;
    await delay(250, undefined, { signal: options.signal });
  }
}

/** A hard link appears whole or not at all, so nobody ever reads a half-written lock. */
async function create(path: string, holder: Holder): Promise<boolean> {
  const own = `${path}.${holder.nonce}`;
  const file = await open(own, 'wx');
  try {
    await file.writeFile(JSON.stringify(holder));
  } finally {
    await file.close();
  }
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(own);
  }
}

async function read(path: string): Promise<Holder | 'unreadable' | undefined> {
  try {
    const parsed = holderSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : 'unreadable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'unreadable';
  }
}

/** Removes a dead holder's lock; if another process was quicker and its new lock was caught, puts that back. */
async function moveAside(path: string, dead: Holder | 'unreadable'): Promise<void> {
  const aside = `${path}.${randomBytes(8).toString('hex')}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await read(aside);
  const isTheDeadOne =
    moved === 'unreadable' ||
    (typeof moved === 'object' && dead !== 'unreadable' && moved.nonce === dead.nonce);
  if (!isTheDeadOne) await link(aside, path).catch(() => undefined);
  await unlink(aside).catch(() => undefined);
}

async function release(path: string, self: Holder): Promise<void> {
  const holder = await read(path);
  if (typeof holder === 'object' && holder.nonce === self.nonce) await unlink(path).catch(() => undefined);
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives, but belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const started = startTime(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); empty where unknown. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may hold spaces: count from the last one.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
