import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { MumuError, toMumuError } from '#contracts/errors';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import { startPrivateRedis } from '#src/redis/private-redis';

/** Oldest Redis that BullMQ 6 works with. */
const OLDEST_VERSION = [6, 2] as const;

/** How a connection behaves when Redis is away. */
export type ConnectionRole =
  /** For requests of people: fails within seconds where Redis is gone, and waits where it is there and frozen. */
  | 'producer'
  /** For workers and listeners: waits until Redis is back. */
  | 'worker';

/** A Redis that may be used: the way to open connections to it. */
export interface RedisAccess {
  /** First part of every key. */
  readonly prefix: string;
  /** A new connection; `close` ends it if its user has not. */
  connect(role: ConnectionRole): Redis;
  /** Resolves when a private server has died and cannot be brought back; never for an external one. */
  readonly lost: Promise<void>;
  /** Ends every connection and, if it is ours, the server. */
  close(): Promise<void>;
}

/**
 * Opens the Redis of the settings: the external one after a check, or the private one of the data folder.
 * @throws MumuError missing_dependency if it cannot be reached, is too old, or may evict jobs.
 */
export async function openRedis(
  config: Pick<Config, 'redisUrl' | 'redisPrefix' | 'dataFolder'>,
  log: Logger,
): Promise<RedisAccess> {
  if (config.redisUrl !== undefined) {
    const access = createAccess(urlOptions(config.redisUrl), config.redisPrefix, log, undefined);
    try {
      await requireUsable(access);
    } catch (error) {
      await access.close();
      throw error;
    }
    return access;
  }
  const server = await startPrivateRedis({ folder: join(config.dataFolder, 'redis'), log });
  return createAccess({ path: server.socket }, config.redisPrefix, log, server);
}

function createAccess(
  target: RedisOptions,
  prefix: string,
  log: Logger,
  server: { ended: Promise<void>; stop(): Promise<void> } | undefined,
): RedisAccess {
  const connections = new Set<Redis>();
  let closing = false;
  return {
    prefix,
    connect(role) {
      const options = {
        ...target,
        replyMapping: 'legacy' as const,
        connectTimeout: 5000,
        // BullMQ's blocking connections need null; people who wait for an answer need an end.
        maxRetriesPerRequest: role === 'worker' ? null : 3,
        retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2000),
      };
      const connection = new Redis(options);
      connection.on('error', (error: NodeJS.ErrnoException) => {
        if (!closing) log.warn({ code: error.code ?? error.name }, 'Redis connection failed');
      });
      connections.add(connection);
      connection.once('end', () => connections.delete(connection));
      return connection;
    },
    lost: new Promise((resolve) => {
      server?.ended.then(() => {
        if (!closing) resolve();
      });
    }),
    async close() {
      closing = true;
      for (const connection of connections) connection.disconnect();
      await server?.stop();
    },
  };
}

/** ioredis takes a URL as its own argument; here it has to become options that can be spread. */
function urlOptions(address: string): RedisOptions {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new MumuError('invalid_input', 'REDIS_URL is no address of the form redis://host:port/database.');
  }
  const credentials = {
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
  };
  if (url.protocol === 'unix:') return { path: decodeURIComponent(url.pathname), ...credentials };
  const database = url.pathname.replace(/^\//, '');
  if (!/^\d*$/.test(database)) {
    throw new MumuError('invalid_input', 'The part of REDIS_URL after the host has to be a database number.');
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: url.port === '' ? 6379 : Number(url.port),
    db: database === '' ? 0 : Number(database),
    ...credentials,
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

async function requireUsable(access: RedisAccess): Promise<void> {
  const connection = access.connect('producer');
  let info: string;
  try {
    info = await connection.info();
  } catch (error) {
    const reason = (error as Error).message.includes('NOAUTH')
      ? 'it asks for a password'
      : 'it does not answer';
    throw new MumuError('missing_dependency', `The Redis of REDIS_URL cannot be used: ${reason}.`, {
      cause: error,
    });
  } finally {
    connection.disconnect();
  }
  const version = /^redis_version:(\d+)\.(\d+)/m.exec(info);
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  if (major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1])) {
    throw new MumuError(
      'missing_dependency',
      `The Redis of REDIS_URL is version ${major}.${minor}: ${OLDEST_VERSION.join('.')} or newer is needed.`,
    );
  }
  // From INFO rather than CONFIG GET, which hosted Redis often forbids.
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
  if (policy !== 'noeviction') {
    throw new MumuError(
      'missing_dependency',
      `The Redis of REDIS_URL may throw jobs away (maxmemory-policy is ${policy}): run "redis-cli CONFIG SET maxmemory-policy noeviction" on it.`,
    );
  }
}

/** What ioredis and a server that is just starting, or is handing over to another one, say. */
const AWAY =
  /max retries per request|Connection is closed|^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN) /i;

/** A Redis that refuses writes because its disk is full says MISCONF; everything else goes the ordinary way. */
export function redisFailure(error: unknown): MumuError {
  // A transaction says that it was given up, and keeps what its commands said.
  if (error instanceof Error && 'previousErrors' in error && Array.isArray(error.previousErrors)) {
    const [cause] = error.previousErrors;
    if (cause !== undefined) return redisFailure(cause);
  }
  if (error instanceof Error && /^(MISCONF|OOM) /.test(error.message)) {
    return new MumuError('disk_full', 'The queue cannot write: the disk or the memory of Redis is full.', {
      cause: error,
    });
  }
  if (error instanceof Error && AWAY.test(error.message)) {
    return new MumuError('unavailable', 'The queue (Redis) does not answer at the moment: try again.', {
      cause: error,
    });
  }
  return toMumuError(error);
}
