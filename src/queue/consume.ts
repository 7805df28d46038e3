import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type Telemetry, Worker } from 'bullmq';
import type { DoneResult } from '#contracts/result';
import type { Logger } from '#src/log';
import { cancelChannel, DEFAULT_PACK, type QueueKind, queueName, type Route } from '#src/queue/names';
import type { JobObserver } from '#src/queue/observer';
import { type JobHandler, JobProcessor, type TakenJob } from '#src/queue/process-job';
import { WorkerRegistry } from '#src/queue/workers';
import type { RedisAccess } from '#src/redis/access';

export type { JobContext, JobHandler } from '#src/queue/process-job';

/** A worker renews its hold on a job within this time; one that does not is taken for dead, milliseconds. */
const LOCK = 20_000;
/** After the deadline of a stop, what does not even let go is left behind, milliseconds. */
const STOP_SLACK = 2_000;

export interface ConsumeOptions {
  redis: RedisAccess;
  /** Kinds of jobs to take. */
  queues: readonly QueueKind[];
  /** Packs to take jobs for. Default: the one that ships. */
  packs?: readonly string[];
  /** Kind of device this worker has; absent: jobs that ask for one are not taken. */
  device?: string;
  /** Jobs at once of one kind, pack and wish for a device. */
  concurrency: Readonly<Record<QueueKind, number>>;
  handle: JobHandler;
  /** How long results and conversations are remembered, milliseconds. */
  keepMilliseconds: number;
  /** How soon a dead worker's jobs are free, milliseconds; at least. Default 20,000. */
  lockMilliseconds?: number;
  observer?: JobObserver;
  telemetry?: Telemetry;
  log: Logger;
}

export interface JobConsumer {
  /** The worker's name in `JobQueue.workers()`. */
  readonly id: string;
  /**
   * Takes no more jobs and waits for those under way; what has not ended after `deadline` milliseconds goes back to
   * the head of its queue.
   */
  close(deadline: number): Promise<void>;
}

/** Announces a worker and starts taking jobs. */
export async function consumeJobs(options: ConsumeOptions): Promise<JobConsumer> {
  const { redis, log } = options;
  const { prefix } = redis;
  // Waits for Redis to be back: a finished result must not be lost because it was away for a moment.
  const store = redis.connect('worker');
  const id = randomUUID();
  const registry = new WorkerRegistry(store, prefix);
  const processor = new JobProcessor({
    ...{ store, prefix, log, worker: id, registry },
    handle: options.handle,
    keepMilliseconds: options.keepMilliseconds,
    ...(options.observer === undefined ? {} : { observer: options.observer }),
  });

  const subscriber = redis.connect('worker');
  await subscriber.subscribe(cancelChannel(prefix));
  subscriber.on('message', (_channel: string, id: string) => processor.cancel(id));
  subscriber.on('ready', () => void processor.lookForCancelled());

  const packs = options.packs ?? [DEFAULT_PACK];
  const device = options.device === undefined ? {} : { device: options.device };
  // Before the first job, and dead to others before its jobs are free: that is how they see what it died under.
  const withdraw = await registry.announce(
    { id, host: hostname(), pid: process.pid, packs: [...packs], ...device, startedAt: Date.now() },
    log,
    (options.lockMilliseconds ?? LOCK) * 0.75,
  );

  const connection = redis.connect('worker');
  const workers = routesOf(options.queues, packs, options.device).map((route) =>
    startTaking(route, options, connection, processor),
  );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));

  return {
    id,
    async close(deadline) {
      const ended = new AbortController();
      const closed = Promise.all([
        withdraw().catch((error: Error) => log.warn({ error: error.message }, 'while stopping')),
        ...workers.map((worker) => worker.close()),
      ]);
      const timer = setTimeout(() => processor.stop(), deadline);
      // With Redis away nothing can be put back; the hold on it runs out by itself.
      const given = delay(deadline + STOP_SLACK, undefined, { signal: ended.signal }).catch(() => undefined);
      await Promise.race([closed, given]);
      clearTimeout(timer);
      ended.abort();
      for (const one of [subscriber, connection, store]) one.disconnect();
    },
  };
}

/** Every queue a worker serves: each pack's, with and without the wish for its device. */
function routesOf(kinds: readonly QueueKind[], packs: readonly string[], device?: string): Route[] {
  return kinds.flatMap((kind) =>
    packs.flatMap((pack) => [{ kind, pack }, ...(device === undefined ? [] : [{ kind, pack, device }])]),
  );
}

function startTaking(
  route: Route,
  options: ConsumeOptions,
  connection: ReturnType<RedisAccess['connect']>,
  processor: JobProcessor,
): Worker<unknown, DoneResult, string> {
  const { redis, log, telemetry } = options;
  const name = queueName(route);
  const lockDuration = options.lockMilliseconds ?? LOCK;
  const worker = new Worker<unknown, DoneResult, string>(
    name,
    (job, token) => processor.process(job as TakenJob, token, route.pack),
    {
      connection,
      prefix: redis.prefix,
      concurrency: options.concurrency[route.kind],
      // Inference is in another process, so a lock is renewed in time; a dead worker's job is free soon.
      lockDuration,
      stalledInterval: lockDuration / 4,
      // The processor itself decides when a job has ended too many workers: it can say so.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      ...(telemetry === undefined ? {} : { telemetry }),
    },
  );
  worker.on('error', (error) => log.warn({ queue: name, error: error.message }, 'worker'));
  return worker;
}
