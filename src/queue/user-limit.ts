import type { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';

/** A job noted by an intake that died before it queued it stops counting after this long, milliseconds. */
const GRACE = 30_000;

/**
 * Counts the waiting and running jobs of each user: a sorted set of request ids by time. Entries are not removed
 * by workers (which may die) but looked up when the user asks for more; the set is never longer than the limit.
 */
export class UserLimit {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly limit: number,
    /** Whether a request is waiting or running. */
    private readonly isOpen: (id: string) => Promise<boolean>,
  ) {}

  /**
   * Takes a place for a request. Of requests that come at once the earlier ones get the places.
   * @returns how many of this user's requests were open before it.
   * @throws MumuError limit_reached
   */
  async take(user: string, id: string): Promise<number> {
    const key = this.key(user);
    await this.redis.zadd(key, 'NX', Date.now(), id);
    const entries = await this.redis.zrange(key, '0', '-1', 'WITHSCORES');
    let before = 0;
    for (let index = 0; index < entries.length; index += 2) {
      const entry = entries[index] ?? '';
      if (entry === id) break;
      const isNew = Date.now() - Number(entries[index + 1]) < GRACE;
      if (await this.isOpen(entry)) before += 1;
      else if (isNew && !(await this.wasQueued(entry))) before += 1;
      else await this.redis.zrem(key, entry);
    }
    if (before >= this.limit) {
      await this.redis.zrem(key, id);
      throw new MumuError(
        'limit_reached',
        `You have ${before} ${before === 1 ? 'job' : 'jobs'} under way, which is the most at once: wait for one to end, or cancel one.`,
      );
    }
    await this.redis.pexpire(key, 24 * 3600 * 1000);
    return before;
  }

  /** Gives a place back. */
  async leave(user: string, id: string): Promise<void> {
    await this.redis.zrem(this.key(user), id);
  }

  /** The request reached its queue: from now on only its job says whether it is open. */
  async queued(id: string): Promise<void> {
    await this.redis.set(this.queuedKey(id), '1', 'PX', GRACE);
  }

  private async wasQueued(id: string): Promise<boolean> {
    return (await this.redis.exists(this.queuedKey(id))) === 1;
  }

  private key(user: string): string {
    return `${this.prefix}:user:${user}`;
  }

  private queuedKey(id: string): string {
    return `${this.prefix}:queued:${id}`;
  }
}
