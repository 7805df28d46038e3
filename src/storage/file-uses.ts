import type { Redis } from 'ioredis';
import { redisFailure } from '#src/redis/access';

/** While a file is being removed nobody may count on it; a remover that died is over it after this, milliseconds. */
const REMOVAL_TIMEOUT = 60_000;

/** KEYS: used, removing:KEY. ARGV: now, key. Counts a use, unless the file is being removed. */
const TOUCH = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[2])
return 1`;

/** KEYS: used, bytes, total. ARGV: now, key, bytes. Notes a file that lies in the store; a known one counts once. */
const ADD = `
redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[2])
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 1 then redis.call('INCRBY', KEYS[3], ARGV[3]) end
return 1`;

/** KEYS: used, removing:KEY. ARGV: newest use that still lets it go, key, timeout. */
const CLAIM = `
local used = redis.call('ZSCORE', KEYS[1], ARGV[2])
if used and tonumber(used) > tonumber(ARGV[1]) then return 0 end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[3]) then return 1 end
return 0`;

/** KEYS: used, bytes. ARGV: key. Takes a use of what was never stored back. */
const UNTOUCH = `
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1`;

/** KEYS: used, bytes, total, removing:KEY. ARGV: key. */
const FORGET = `
local bytes = redis.call('HGET', KEYS[2], ARGV[1])
if bytes then redis.call('DECRBY', KEYS[3], bytes) end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[4])
return 1`;

/** A file with when it was last used, milliseconds since 1970. */
export interface FileUse {
  key: string;
  usedAt: number;
  bytes: number;
}

/**
 * When files of a store shared by machines were last used, and how much room they take, in Redis: one use is one
 * small command, where a copy of the object onto itself would cost a request each and be true to a day only. Every
 * step that decides something is one script, so a file cannot be taken away between a look and a use.
 */
export class FileUses {
  constructor(
    private readonly redis: Redis,
    /** First part of the keys; stores of different buckets have different ones. */
    private readonly prefix: string,
  ) {}

  /** Counts a use. @returns false while the file is being removed. */
  async touch(key: string, at = Date.now()): Promise<boolean> {
    return (await this.run(TOUCH, [this.key('used'), this.removing(key)], [at, key])) === 1;
  }

  /** Takes a use back that was of nothing; a file that is noted stays noted. */
  async untouch(key: string): Promise<void> {
    await this.run(UNTOUCH, [this.key('used'), this.key('bytes')], [key]);
  }

  /** Notes a file that was stored. */
  async add(key: string, bytes: number, at = Date.now()): Promise<void> {
    await this.run(ADD, [this.key('used'), this.key('bytes'), this.key('bytes-total')], [at, key, bytes]);
  }

  /**
   * Asks for the right to remove a file that was not used after `newest`. Whoever gets it removes the content and
   * then calls `forget`.
   */
  async claim(key: string, newest: number): Promise<boolean> {
    const keys = [this.key('used'), this.removing(key)];
    return (await this.run(CLAIM, keys, [newest, key, REMOVAL_TIMEOUT])) === 1;
  }

  /** A file that is gone. */
  async forget(key: string): Promise<void> {
    const keys = [this.key('used'), this.key('bytes'), this.key('bytes-total'), this.removing(key)];
    await this.run(FORGET, keys, [key]);
  }

  /** Bytes of all files. */
  async total(): Promise<number> {
    return Number((await this.ask((redis) => redis.get(this.key('bytes-total')))) ?? 0);
  }

  /** Every file, the one unused longest first. */
  async all(): Promise<FileUse[]> {
    const [used, bytes] = await this.ask((redis) =>
      Promise.all([
        redis.zrange(this.key('used'), '0', '-1', 'WITHSCORES'),
        redis.hgetall(this.key('bytes')) as Promise<Record<string, string>>,
      ]),
    );
    const uses: FileUse[] = [];
    for (let index = 0; index + 1 < used.length; index += 2) {
      const key = String(used[index]);
      uses.push({ key, usedAt: Number(used[index + 1]), bytes: Number(bytes[key] ?? 0) });
    }
    return uses;
  }

  /** Runs `work` unless another process does the same at the moment. */
  async alone(name: string, work: () => Promise<void>): Promise<void> {
    const lock = this.key(`${name}-lock`);
    if ((await this.ask((redis) => redis.set(lock, '1', 'PX', 600_000, 'NX'))) !== 'OK') return;
    try {
      await work();
    } finally {
      await this.ask((redis) => redis.del(lock));
    }
  }

  private run(script: string, keys: string[], values: Array<string | number>): Promise<unknown> {
    return this.ask((redis) => redis.eval(script, keys.length, ...keys, ...values));
  }

  private async ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await command(this.redis);
    } catch (error) {
      throw redisFailure(error);
    }
  }

  private key(part: string): string {
    return `${this.prefix}:${part}`;
  }

  private removing(key: string): string {
    return this.key(`removing:${key}`);
  }
}
