import type { Redis } from 'ioredis';
import type { WorkerRegistry } from '#src/queue/workers';

/** What was not cleared up is forgotten after this long, milliseconds. */
const FORGET = 24 * 3600_000;

/**
 * Which workers took a job and have not said what became of it. One of them that is no longer alive died under it;
 * one that is alive only lost its hold, because Redis was away for too long, and nobody is to blame.
 */
export class Takers {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly registry: WorkerRegistry,
  ) {}

  async note(id: string, worker: string): Promise<void> {
    await this.redis.multi().rpush(this.key(id), worker).pexpire(this.key(id), FORGET).exec();
  }

  /** A worker is done with a job that goes on elsewhere. */
  async release(id: string, worker: string): Promise<void> {
    await this.redis.lrem(this.key(id), 0, worker);
  }

  /** The job has ended. */
  async forget(id: string): Promise<void> {
    await this.redis.del(this.key(id));
  }

  /** How many workers have died under a job. */
  async deaths(id: string): Promise<number> {
    const takers = await this.redis.lrange(this.key(id), 0, -1);
    if (takers.length === 0) return 0;
    const alive = new Set((await this.registry.alive()).map((worker) => worker.id));
    return takers.filter((taker) => !alive.has(taker)).length;
  }

  private key(id: string): string {
    return `${this.prefix}:takers:${id}`;
  }
}
