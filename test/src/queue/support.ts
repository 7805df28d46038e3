import { createLogger } from '#src/log';
import { type ConsumeOptions, consumeJobs, type JobConsumer } from '#src/queue/consume';
import { JobQueue, type JobQueueOptions } from '#src/queue/job-queue';
import type { JobEvent } from '#src/queue/snapshot';
import type { RedisAccess } from '#src/redis/access';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeResult } from '#test/support/requests';

export const log = createLogger('silent');
export const KEEP = 3600_000;

/** Queues and workers of one test file on a Redis of its own; every test gets keys of its own. */
export class QueueRig {
  redis: RedisAccess;
  private readonly closing: Array<() => Promise<void>> = [];
  private count = 0;

  private constructor(private readonly server: TestRedis) {
    this.redis = server.access;
  }

  static async start(): Promise<QueueRig> {
    return new QueueRig(await startTestRedis());
  }

  /** A queue on new keys. */
  fresh(options: Partial<JobQueueOptions> = {}): JobQueue {
    this.count += 1;
    this.redis = { ...this.server.access, prefix: `rig${this.count}` };
    return this.open(options);
  }

  /** A further queue on the same keys, as another process would have. */
  open(options: Partial<JobQueueOptions> = {}): JobQueue {
    const queue = new JobQueue(this.redis, { keepMilliseconds: KEEP, log, ...options });
    this.closing.push(() => queue.close());
    return queue;
  }

  /** A worker on the same keys; by default it answers at once, one job at a time. */
  async consume(options: Partial<ConsumeOptions> = {}): Promise<JobConsumer> {
    const consumer = await consumeJobs({
      ...{ redis: this.redis, queues: ['text', 'music'], keepMilliseconds: KEEP, log },
      concurrency: { text: 1, music: 1 },
      handle: async (request) => makeResult(request),
      ...options,
    });
    this.closing.push(() => consumer.close(0));
    return consumer;
  }

  /** Ends what the last test opened. */
  async rest(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) await close();
  }

  async close(): Promise<void> {
    await this.rest();
    await this.server.close();
  }
}

/** Everything told about a request, up to its end or until `until` says so. */
export function events(
  queue: JobQueue,
  id: string,
  until: (event: JobEvent) => boolean = (event) => event.type === 'result',
): Promise<JobEvent[]> {
  return new Promise((resolve) => {
    const seen: JobEvent[] = [];
    const stop = queue.watch(id, (event) => {
      seen.push(event);
      if (!until(event)) return;
      queueMicrotask(() => stop());
      resolve(seen);
    });
  });
}
