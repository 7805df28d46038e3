import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/** A holder writes its lock anew this often, milliseconds. */
const BEAT = 5000;
/** A holder of another container that has not done so for this long is dead, milliseconds. */
const SILENCE = 90_000;
/** And it has to be silent for so long before our eyes: after a standstill of the whole machine all seem to be dead. */
const WATCHED = 12_000;
/** A lock that is taken is looked at this often, milliseconds. */
const LOOK = 250;

const holderSchema = z.object({
  pid: z.number().int().positive(),
  started: z.string(),
  nonce: z.string(),
  /** Where the process id means something; locks of earlier versions do not say. */
  space: z.string().optional(),
});
type Holder = z.infer<typeof holderSchema>;

/** A lock held by this process until `release` or its end. */
export interface ProcessLock {
  release(): Promise<void>;
}

/** The lock belongs to another living process. */
export interface LockedBy {
  /** In a container of its own the number means something there only. */
  pid: number;
}

/** What tests set. */
export interface LockOptions {
  space?: string;
  beat?: number;
  silence?: number;
  watched?: number;
}

/** Somebody else's lock. */
interface Taken extends LockedBy {
  /** The last sign of life, of a holder that gives none but these. */
  sign?: string;
}

/** The last sign of life that was seen, and when it was first seen, milliseconds. */
interface Watch {
  sign?: string;
  since: number;
}

interface Found {
  holder: Holder | 'unreadable';
  /** When its holder wrote it last, by the file system's clock, milliseconds. */
  beatenAt: number;
}

/**
 * Takes a lock file for this process, also against processes of other containers and machines that share the folder.
 * A lock left by a process that died is taken over. A holder beside us is known by its process id and, where the
 * system tells (Linux), the time it started, since ids are used again. In another container the id says nothing: there
 * every holder writes its lock anew all the time, and one that was silent for long is dead. So this answers at once
 * beside the holder, and elsewhere as soon as the holder gives a sign of life, or was silent long enough.
 * @returns the lock, or who holds it.
 */
export async function tryLock(path: string, options: LockOptions = {}): Promise<ProcessLock | LockedBy> {
  const self = await introduce(path, options);
  const watch: Watch = { since: 0 };
  let first: string | undefined;
  for (;;) {
    const taken = await attempt(path, self, watch, options);
    if ('release' in taken) return taken;
    first ??= taken.sign;
    if (taken.sign === first && first !== undefined) await delay(LOOK);
    else return { pid: taken.pid };
  }
}

/**
 * Waits until the lock is free and takes it.
 * @param onWait called once with the holder's process id when there is something to wait for.
 */
export async function waitForLock(
  path: string,
  options: LockOptions & { signal?: AbortSignal; onWait?: (pid: number) => void } = {},
): Promise<ProcessLock> {
  const self = await introduce(path, options);
  const watch: Watch = { since: 0 };
  let told = false;
  for (;;) {
    const taken = await attempt(path, self, watch, options);
    if ('release' in taken) return taken;
    if (!told) options.onWait?.(taken.pid);
    told = true;
    await delay(LOOK, undefined, { signal: options.signal });
  }
}

async function introduce(path: string, { space = processSpace() }: LockOptions): Promise<Holder> {
  await mkdir(dirname(path), { recursive: true });
  const nonce = randomBytes(8).toString('hex');
  return { pid: process.pid, started: startTime(process.pid), nonce, space };
}

/** Takes the lock if it is free or its holder dead. */
async function attempt(
  path: string,
  self: Holder,
  watch: Watch,
  { beat = BEAT, silence = SILENCE, watched = WATCHED }: LockOptions,
): Promise<ProcessLock | Taken> {
  for (;;) {
    const made = await create(path, self);
    if ('file' in made) return hold(path, self, made.file, beat);
    const found = await read(path);
    if (found === undefined) continue;
    const { holder, beatenAt } = found;
    if (holder !== 'unreadable') {
      const { pid, nonce } = holder;
      const isBeside = holder.space === undefined || holder.space === self.space;
      if (isBeside && isAlive(holder)) return { pid };
      if (!isBeside) {
        const sign = `${nonce} ${beatenAt}`;
        if (watch.sign !== sign) Object.assign(watch, { sign, since: performance.now() });
        const isSilent = made.now - beatenAt >= silence && performance.now() - watch.since >= watched;
        if (!isSilent) return { pid, sign };
      }
    }
    await moveAside(path, found);
  }
}

/** Gives signs of life until it is released. */
function hold(path: string, self: Holder, file: FileHandle, beat: number): ProcessLock {
  const content = JSON.stringify(self);
  let beating: Promise<unknown> = Promise.resolve();
  // The same bytes over themselves, in the file that was made: whoever reads sees them whole, the file system says when
  // they were written, by its own clock, and a lock that was lost is left alone.
  const timer = setInterval(() => {
    beating = beating.then(() => file.write(content, 0)).catch(() => undefined);
  }, beat);
  timer.unref();
  return {
    async release() {
      clearInterval(timer);
      await beating;
      await file.close().catch(() => undefined);
      await release(path, self);
    },
  };
}

/**
 * A hard link appears whole or not at all, so nobody ever reads a half-written lock.
 * @returns the open lock, or, where there is one already, the time by the file system's clock.
 */
async function create(path: string, holder: Holder): Promise<{ file: FileHandle } | { now: number }> {
  const own = `${path}.${randomBytes(8).toString('hex')}`;
  const file = await open(own, 'wx');
  let isOurs = false;
  try {
    await file.writeFile(JSON.stringify(holder));
    const { mtimeMs: now } = await file.stat();
    try {
      await link(own, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return { now };
      throw error;
    }
    isOurs = true;
    return { file };
  } finally {
    if (!isOurs) await file.close();
    await unlink(own);
  }
}

async function read(path: string): Promise<Found | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mtimeMs: beatenAt } = await file.stat();
    const text = await file.readFile('utf8');
    return { holder: parse(text), beatenAt };
  } finally {
    await file.close();
  }
}

function parse(text: string): Holder | 'unreadable' {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data ?? 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/**
 * Removes a dead holder's lock. If another process was quicker and its new lock was caught, or the holder lives after
 * all, puts that back.
 */
async function moveAside(path: string, dead: Found): Promise<void> {
  const aside = `${path}.${randomBytes(8).toString('hex')}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await read(aside).catch(() => undefined);
  if (moved !== undefined && !isSame(moved, dead)) await link(aside, path).catch(() => undefined);
  await unlink(aside).catch(() => undefined);
}

function isSame(one: Found, other: Found): boolean {
  if (one.beatenAt !== other.beatenAt) return false;
  if (one.holder === 'unreadable' || other.holder === 'unreadable') return one.holder === other.holder;
  return one.holder.nonce === other.holder.nonce;
}

async function release(path: string, self: Holder): Promise<void> {
  const found = await read(path).catch(() => undefined);
  if (typeof found?.holder === 'object' && found.holder.nonce === self.nonce) {
    await unlink(path).catch(() => undefined);
  }
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
  const stat = attemptTo(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The second field is the name in parentheses and may hold spaces: count from the last one.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Where process ids mean the same: one pid namespace of one machine, or container, since it was last started. */
function processSpace(): string {
  const boot = attemptTo(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const namespace = attemptTo(() => readlinkSync('/proc/self/ns/pid'));
  return [hostname(), boot, namespace].join(' ');
}

/** Empty where the system does not tell. */
function attemptTo(look: () => string): string {
  try {
    return look();
  } catch {
    return '';
  }
}
