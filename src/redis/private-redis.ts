import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';
import { type ProcessLock, tryLock } from '#src/files/process-lock';
import type { Logger } from '#src/log';

/** A server that dies is started again so many times within `REVIVAL_WINDOW` milliseconds. */
const REVIVALS = 3;
const REVIVAL_WINDOW = 60_000;

/** Longest path of a unix socket that both Linux (108 bytes) and macOS (104) take. */
const LONGEST_SOCKET_PATH = 100;

/**
 * Runs redis-server and ends it when standard input closes. The kernel closes our end of that pipe however we
 * die, SIGKILL included, so the server never outlives us; SIGTERM makes it write its append-only file out.
 * (Inside a background job of sh standard input is /dev/null, hence the copy on descriptor 3.)
 */
const SUPERVISOR = `
exec 3<&0
redis-server "$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -TERM "$server" 2>/dev/null; } &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`;

/** A redis-server that belongs to this process. */
export interface PrivateRedis {
  /** Path of its unix socket. */
  readonly socket: string;
  /** Resolves when the server is gone for good: stopped, or dead and not to be brought back. */
  readonly ended: Promise<void>;
  /** Lets it write everything out and waits for its end. */
  stop(): Promise<void>;
}

/**
 * Starts the private Redis of a data folder: reached by a unix socket only, append-only file, never evicting. A server
 * that dies is started again on the same file.
 * @param folder where it keeps its files; made if missing.
 * @throws MumuError missing_dependency without redis-server; invalid_input if another mumu uses the folder;
 *   internal if the server does not come up.
 */
export async function startPrivateRedis(options: {
  folder: string;
  log: Logger;
  /** Longest wait for the server, which first reads its file, milliseconds. */
  startTimeout?: number;
}): Promise<PrivateRedis> {
  const { folder, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await tryLock(join(folder, 'mumu.lock'));
  if (!('release' in lock)) {
    throw new MumuError(
      'invalid_input',
      `Another mumu (process ${lock.pid}) already uses this data folder: stop it, or give this one a folder of its own with MUMU_DATA.`,
    );
  }
  try {
    return await start(folder, lock, log, options.startTimeout ?? 60_000);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function start(folder: string, lock: ProcessLock, log: Logger, timeout: number): Promise<PrivateRedis> {
  await requireRedisServer();
  const socket = await socketPath(folder);
  let server = launch(folder, socket);
  try {
    await waitUntilReady(socket, () => server.running, timeout);
  } catch (error) {
    await server.stop();
    const output = server.output();
    log.error({ output }, 'redis-server did not start');
    throw startFailure(output, folder, error);
  }
  log.debug('private redis-server is up');

  let stopping = false;
  const revivals: number[] = [];

  /** Starts a server in the place of one that died; its append-only file has all that was written. */
  async function revive(): Promise<boolean> {
    for (;;) {
      const since = Date.now() - REVIVAL_WINDOW;
      while ((revivals[0] ?? since) < since) revivals.shift();
      if (revivals.length >= REVIVALS) return false;
      revivals.push(Date.now());
      await delay(200 * revivals.length);
      if (stopping) return false;
      server = launch(folder, socket);
      try {
        await waitUntilReady(socket, () => server.running && !stopping, timeout);
        log.warn('redis-server is up again');
        return true;
      } catch {
        await server.stop();
        if (stopping) return false;
        log.error({ output: server.output() }, 'redis-server did not start again');
      }
    }
  }

  async function watch(): Promise<void> {
    for (;;) {
      await server.ended;
      if (stopping) return;
      log.error({ output: server.output() }, 'redis-server has ended by itself: starting it again');
      if (!(await revive())) return;
    }
  }
  const ended = watch();

  return {
    socket,
    ended,
    async stop() {
      stopping = true;
      await server.stop();
      await ended;
      await lock.release();
    },
  };
}

interface Server {
  readonly running: boolean;
  readonly ended: Promise<void>;
  /** The last it said. */
  output(): string;
  stop(): Promise<void>;
}

function launch(folder: string, socket: string): Server {
  const child = spawn('sh', ['-c', SUPERVISOR, 'mumu-redis', ...serverArguments(folder, socket)], {
    // A session of its own: Ctrl-C on the terminal reaches us alone, and we drain before the server goes.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = collectOutput(child);
  let running = true;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      running = false;
      resolve();
    };
    child.once('close', end);
    child.once('error', end);
  });
  child.stdin?.on('error', () => undefined);
  // What watches our end of the pipe has nothing left to end.
  child.once('exit', () => child.stdin?.end());
  return {
    get running() {
      return running;
    },
    ended,
    output,
    async stop() {
      child.stdin?.end();
      await ended;
    },
  };
}

function serverArguments(folder: string, socket: string): string[] {
  const settings: Record<string, string> = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    daemonize: 'no',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    loglevel: 'notice',
    logfile: '',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** @throws MumuError missing_dependency */
async function requireRedisServer(): Promise<void> {
  const code = await new Promise<number | null>((resolve) => {
    const probe = spawn('redis-server', ['--version'], { stdio: 'ignore' });
    probe.once('error', () => resolve(null));
    probe.once('close', resolve);
  });
  if (code === 0) return;
  throw new MumuError(
    'missing_dependency',
    'redis-server is not installed: run "sudo apt-get install redis-server" (Debian, Ubuntu) or "brew install redis" (macOS), or set REDIS_URL to a Redis of your own.',
  );
}

/** The socket lies in the data folder, or, where that path is too long for one, in a private temporary folder. */
async function socketPath(folder: string): Promise<string> {
  const inside = join(folder, 'redis.sock');
  if (Buffer.byteLength(inside) <= LONGEST_SOCKET_PATH) return inside;
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  const user = process.getuid?.() ?? 0;
  const outside = join(tmpdir(), `mumu-${user}-${name}`);
  await mkdir(outside, { recursive: true, mode: 0o700 });
  const found = await lstat(outside);
  if (!found.isDirectory() || found.uid !== user || (found.mode & 0o077) !== 0) {
    throw new MumuError(
      'missing_dependency',
      'The temporary folder for the Redis socket belongs to someone else: set MUMU_DATA to a shorter path.',
    );
  }
  return join(outside, 'redis.sock');
}

/** Pings until the server answers; it answers LOADING while it reads its file. */
async function waitUntilReady(socket: string, isRunning: () => boolean, timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  while (isRunning() && Date.now() < deadline) {
    const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => null });
    client.on('error', (error) => {
      last = error;
    });
    try {
      await client.connect();
      await client.ping();
      return;
    } catch (error) {
      last = error;
      await delay(20);
    } finally {
      client.disconnect();
    }
  }
  throw last instanceof Error ? last : new Error('redis-server ended');
}

function collectOutput(child: ChildProcess): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('utf8')).slice(-4000);
    });
  }
  return () => tail;
}

function startFailure(output: string, folder: string, cause: unknown): MumuError {
  if (/No space left/i.test(output)) {
    return new MumuError('disk_full', 'The disk is full: Redis cannot write its file. Free some space.', {
      cause,
    });
  }
  if (/Bad file format|Unexpected end of file|AOF loaded anyway|redis-check-aof/i.test(output)) {
    return new MumuError(
      'missing_dependency',
      `The queue's file is damaged: run "redis-check-aof --fix" on the newest .aof in ${join(folder, 'appendonlydir')}, or move that folder away to start empty.`,
      { cause },
    );
  }
  const reason = output.trim().split('\n').at(-1) ?? '';
  return new MumuError('missing_dependency', `redis-server did not start: ${reason || 'it gave no reason'}`, {
    cause,
  });
}
