import { type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { MumuError, toMumuError } from '#contracts/errors';
import type { Progress } from '#contracts/progress';
import { type Request, requestSchema } from '#contracts/request';
import { type DoneResult, resultSchema } from '#contracts/result';
import type { Logger } from '#src/log';
import { Conversations } from '#src/queue/conversations';
import { ATTEMPTS, cancelChannel, cancelKey, type QueueName, requestIdOf } from '#src/queue/names';
import { ProgressReporter } from '#src/queue/reporter';
import { CANCELLED, decodeFailure, encodeFailure, failedResult, type Snapshot } from '#src/queue/snapshot';
import type { RedisAccess } from '#src/redis/access';

export interface JobContext {
  /** Aborts when the user cancels or this process has to stop. */
  signal: AbortSignal;
  /** May be called as often as one likes: what goes over Redis is thinned out, the last word never lost. */
  onProgress(progress: Progress): void;
  /** 1 for the first try. */
  attempt: number;
}

/**
 * Does one job. A MumuError it throws decides what follows: `engine_lost` is tried once more, every other code
 * ends the job and reaches the user.
 */
export type JobHandler = (request: Request, context: JobContext) => Promise<DoneResult>;

export interface ConsumeOptions {
  redis: RedisAccess;
  /** Queues to take jobs from. */
  queues: readonly QueueName[];
  /** Jobs at once, by queue. */
  concurrency: Readonly<Record<QueueName, number>>;
  handle: JobHandler;
  /** How long results and conversations are remembered, milliseconds. */
  keepMilliseconds: number;
  log: Logger;
}

export interface JobConsumer {
  /**
   * Takes no more jobs and waits for those under way; what has not ended after `deadline` milliseconds is
   * aborted and goes back to the head of its queue.
   */
  close(deadline: number): Promise<void>;
}

type QueuedJob = Job<unknown, DoneResult, string, Snapshot>;

/** Held against the contract here, where a bad result fails its own job, not where everyone reads it. */
const doneResultSchema = resultSchema.refine((result): result is DoneResult => result.status === 'done');

/** Starts taking jobs. */
export async function consumeJobs(options: ConsumeOptions): Promise<JobConsumer> {
  const { redis, log } = options;
  const store = redis.connect('producer');
  const conversations = new Conversations(store, redis.prefix, options.keepMilliseconds);
  const running = new Map<string, AbortController>();
  let stopping = false;

  const subscriber = redis.connect('worker');
  await subscriber.subscribe(cancelChannel(redis.prefix));
  subscriber.on('message', (_channel: string, id: string) => running.get(id)?.abort());
  // Messages sent while the connection was down are lost: the keys tell.
  subscriber.on('ready', () => {
    for (const [id, controller] of running) void abortIfCancelled(id, controller);
  });

  async function abortIfCancelled(id: string, controller: AbortController): Promise<void> {
    try {
      if ((await store.exists(cancelKey(redis.prefix, id))) === 1) controller.abort();
    } catch (error) {
      log.warn({ id, error: (error as Error).message }, 'could not look whether a job was cancelled');
    }
  }

  async function processJob(job: QueuedJob, token: string | undefined): Promise<DoneResult> {
    const parsed = requestSchema.safeParse(job.data);
    if (!parsed.success) {
      const failure = new MumuError('internal', 'This job cannot be read by this version of mumu.');
      throw new UnrecoverableError(encodeFailure(failure.toFailure()));
    }
    const request = parsed.data;
    const { id } = request;
    const controller = new AbortController();
    running.set(id, controller);
    const reporter = new ProgressReporter(job, log);
    try {
      await abortIfCancelled(id, controller);
      controller.signal.throwIfAborted();
      const attempt = job.attemptsMade + 1;
      log.info({ id, command: request.command, attempt }, 'job started');
      const result = doneResultSchema.parse(
        await options.handle(request, {
          signal: controller.signal,
          onProgress: (progress) => reporter.report(progress),
          attempt,
        }),
      );
      await reporter.close();
      await conversations.end(request, result);
      log.info({ id, timings: result.timings }, 'job done');
      return result;
    } catch (thrown) {
      await reporter.close();
      if (stopping && controller.signal.aborted) {
        log.info({ id }, 'job put back: this process stops');
        await job.moveToWait(token);
        throw new WaitingError();
      }
      throw await fail(request, job, controller.signal.aborted, thrown);
    } finally {
      running.delete(id);
    }
  }

  /** What to throw at BullMQ; a final failure is noted in the conversation first. */
  async function fail(request: Request, job: QueuedJob, cancelled: boolean, thrown: unknown): Promise<Error> {
    const error: MumuError = cancelled
      ? new MumuError('cancelled', CANCELLED.message, { cause: thrown })
      : toMumuError(thrown);
    const { id } = request;
    const again = error.retryable && job.attemptsMade + 1 < ATTEMPTS;
    const detail = error.code === 'internal' ? { stack: stackOf(error.cause ?? error) } : {};
    log[error.code === 'internal' ? 'error' : 'info'](
      { id, code: error.code, again, ...detail },
      'job failed',
    );
    if (again) return new Error(encodeFailure(error.toFailure()));
    await conversations.end(request, failedResult(id, error.toFailure()));
    await store.del(cancelKey(redis.prefix, id));
    return new UnrecoverableError(encodeFailure(error.toFailure()));
  }

  const workers = options.queues.map((name) => {
    const worker = new Worker<unknown, DoneResult, string>(
      name,
      (job, token) => processJob(job as QueuedJob, token),
      {
        connection: redis.connect('worker'),
        prefix: redis.prefix,
        concurrency: options.concurrency[name],
        // Inference is in another process, so a lock is renewed in time; a dead worker's job is free soon.
        lockDuration: 20_000,
        stalledInterval: 10_000,
        maxStalledCount: 1,
        maxStartedAttempts: 6,
      },
    );
    worker.on('error', (error) => log.warn({ queue: name, error: error.message }, 'worker'));
    // A job whose worker died twice is failed by BullMQ itself, without a word from us: note it here.
    worker.on('failed', (job, error) => {
      const request = requestSchema.safeParse(job?.data);
      if (!request.success || running.has(request.data.id) || error instanceof UnrecoverableError) return;
      if (job?.finishedOn === undefined) return;
      const result = failedResult(requestIdOf(job.id ?? ''), decodeFailure(error.message));
      conversations.end(request.data, result).catch((problem: Error) => {
        log.warn({ id: request.data.id, error: problem.message }, 'could not note how a job ended');
      });
    });
    return worker;
  });
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));

  return {
    async close(deadline) {
      const closed = Promise.all(workers.map((worker) => worker.close()));
      const timer = setTimeout(() => {
        stopping = true;
        for (const controller of running.values()) controller.abort();
      }, deadline);
      await closed;
      clearTimeout(timer);
      subscriber.disconnect();
      store.disconnect();
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
