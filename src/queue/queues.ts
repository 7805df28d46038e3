import { type Job, Queue, type Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import type { DoneResult } from '#contracts/result';
import type { Logger } from '#src/log';
import { jobIdOf, queueName, type Route, readQueueName } from '#src/queue/names';
import type { RedisAccess } from '#src/redis/access';

export type BullQueue = Queue<unknown, DoneResult, string>;
export type QueuedJob = Job<unknown, DoneResult, string>;

/** Events of one queue that Redis keeps: a reader that lags further behind looks at the jobs themselves. */
const EVENTS = 5_000;

/**
 * The queues there are, by name, as their producers see them. Which ones exist and on which one a request lies is
 * noted in Redis, so that every process finds a job whoever queued it.
 */
export class Queues {
  private readonly open = new Map<string, BullQueue>();
  private readonly connection: Redis;

  constructor(
    private readonly redis: RedisAccess,
    private readonly store: Redis,
    private readonly options: { keepMilliseconds: number; log: Logger; telemetry?: Telemetry },
  ) {
    this.connection = redis.connect('producer');
  }

  get(name: string): BullQueue {
    const known = this.open.get(name);
    if (known !== undefined) return known;
    const { log, telemetry } = this.options;
    const queue: BullQueue = new Queue<unknown, DoneResult, string>(name, {
      connection: this.connection,
      prefix: this.redis.prefix,
      streams: { events: { maxLen: EVENTS } },
      ...(telemetry === undefined ? {} : { telemetry }),
    });
    queue.on('error', (error) => log.warn({ queue: name, error: error.message }, 'queue'));
    this.open.set(name, queue);
    return queue;
  }

  /** Names of all queues that ever held a job, sorted. */
  async names(): Promise<string[]> {
    const names = await this.store.smembers(this.namesKey());
    return names.filter((name) => readQueueName(name) !== undefined).sort();
  }

  /** Notes where a request will lie, before it lies there. */
  async place(id: string, route: Route): Promise<BullQueue> {
    const name = queueName(route);
    await this.store
      .multi()
      .sadd(this.namesKey(), name)
      .set(this.placeKey(id), name, 'PX', Math.ceil(this.options.keepMilliseconds))
      .exec();
    return this.get(name);
  }

  /** Takes the note back. */
  async forget(id: string): Promise<void> {
    await this.store.del(this.placeKey(id));
  }

  /** The queue a request was put on, also if its job is gone from there. */
  async placeOf(id: string): Promise<string | undefined> {
    return (await this.store.get(this.placeKey(id))) ?? undefined;
  }

  /** @param place the queue it was put on, if that is known already */
  async find(id: string, place?: string): Promise<{ job: QueuedJob; queue: BullQueue } | undefined> {
    const name = place ?? (await this.placeOf(id));
    if (name === undefined) return undefined;
    const queue = this.get(name);
    const job = (await queue.getJob(jobIdOf(id))) as QueuedJob | undefined | null;
    return job === undefined || job === null ? undefined : { job, queue };
  }

  /** How many come before a waiting job, and itself: 1 is next; 0 if it does not wait any more. */
  async position(queue: BullQueue, jobId: string): Promise<number> {
    const [wait, prioritized] = [queue.toKey('wait'), queue.toKey('prioritized')];
    // Jobs that were handed back wait in a list, of which the end is next; all others by their turn behind it.
    const [length, place, turn] = await Promise.all([
      this.store.llen(wait),
      this.store.lpos(wait, jobId),
      this.store.zrank(prioritized, jobId),
    ]);
    if (place !== null) return length - Number(place);
    return turn === null ? 0 : length + Number(turn) + 1;
  }

  async close(): Promise<void> {
    await Promise.all([...this.open.values()].map((queue) => queue.close()));
    this.connection.disconnect();
  }

  private namesKey(): string {
    return `${this.redis.prefix}:queues`;
  }

  private placeKey(id: string): string {
    return `${this.redis.prefix}:queue-of:${id}`;
  }
}

/** Ids of the jobs that wait, the next one first. */
export async function waitingIds(queue: BullQueue): Promise<string[]> {
  return await queue.getRanges(['wait', 'prioritized', 'delayed'], 0, -1, true);
}
