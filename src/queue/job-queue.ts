import { type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Request, type RequestCommand, requestSchema } from '#contracts/request';
import { type DoneResult, resultSchema } from '#contracts/result';
import type { Logger } from '#src/log';
import { Conversations } from '#src/queue/conversations';
import {
  ATTEMPTS,
  cancelChannel,
  cancelKey,
  jobIdOf,
  QUEUE_NAMES,
  type QueueName,
  queueOf,
} from '#src/queue/names';
import {
  CANCELLED,
  decodeFailure,
  EMPTY_SNAPSHOT,
  failedResult,
  type JobEvent,
  type JobView,
  snapshotSchema,
} from '#src/queue/snapshot';
import { UserLimit } from '#src/queue/user-limit';
import { JobWatcher } from '#src/queue/watch';
import { type RedisAccess, redisFailure } from '#src/redis/access';

/** What became of a wish to cancel. */
export type CancelOutcome =
  /** It was waiting and is gone. */
  | 'cancelled'
  /** It runs and was told to stop; its result will say that it did. */
  | 'stopping'
  /** It had ended before. */
  | 'ended'
  | 'unknown';

/** One waiting or running job, for `/queue`. */
export interface OpenJob {
  id: string;
  command: RequestCommand;
  state: 'queued' | 'active';
  /** 1 is next; 0 runs. */
  position: number;
}

export interface QueueOverview {
  queues: Record<QueueName, { waiting: number; active: number }>;
  /** Open jobs of the conversation asked about, oldest first. */
  jobs: OpenJob[];
}

type QueuedJob = Job<unknown, DoneResult, string>;

/** Producer's side of the queues: submit, watch, cancel. Any number of processes may hold one. */
export class JobQueue {
  readonly conversations: Conversations;
  private readonly queues: ReadonlyMap<QueueName, Queue<unknown, DoneResult, string>>;
  private readonly limit: UserLimit;
  private readonly watcher: JobWatcher;
  private readonly store: Redis;

  constructor(
    private readonly redis: RedisAccess,
    options: { activeJobs: number; keepMilliseconds: number; log: Logger },
  ) {
    this.store = redis.connect('producer');
    this.conversations = new Conversations(this.store, redis.prefix, options.keepMilliseconds);
    this.queues = new Map(
      QUEUE_NAMES.map((name) => {
        const queue = new Queue<unknown, DoneResult, string>(name, {
          connection: redis.connect('producer'),
          prefix: redis.prefix,
          streams: { events: { maxLen: 2000 } },
        });
        queue.on('error', (error) => options.log.warn({ queue: name, error: error.message }, 'queue'));
        return [name, queue];
      }),
    );
    this.limit = new UserLimit(this.store, redis.prefix, options.activeJobs, (id) => this.isOpen(id));
    this.watcher = new JobWatcher(redis, (id) => this.view(id), options.log);
  }

  /**
   * Puts a request on its queue. The same id twice is one job, so an event delivered twice does no harm.
   * Users take turns: the more jobs one has open, the later a further one comes.
   * @param typed the command line as the user wrote it, for the history.
   * @throws MumuError limit_reached; missing_dependency or disk_full if Redis cannot take it.
   */
  async submit(request: Request, typed?: string): Promise<void> {
    const data = requestSchema.parse(request);
    try {
      const open = await this.limit.take(data.user, data.id);
      if (!(await this.conversations.begin(data, typed))) return;
      try {
        await this.queue(queueOf(data.command)).add(data.command, data, {
          jobId: jobIdOf(data.id),
          attempts: ATTEMPTS,
          priority: 1 + open,
          removeOnComplete: { age: 24 * 3600, count: 1000 },
          removeOnFail: { age: 24 * 3600, count: 1000 },
        });
        await this.limit.queued(data.id);
      } catch (error) {
        await this.conversations.forget(data);
        await this.limit.leave(data.user, data.id);
        throw error;
      }
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /** Where a request stands; undefined if nobody remembers it. */
  async view(id: string): Promise<JobView | undefined> {
    const found = await this.find(id);
    if (found === undefined) return this.remembered(id);
    const { queue } = found;
    const state = await found.job.getState();
    // What was read before the state may be older than it.
    const job = (await this.queue(queue).getJob(jobIdOf(id))) ?? found.job;
    switch (state) {
      case 'active': {
        const snapshot = snapshotSchema.safeParse(job.progress);
        return { state: 'active', snapshot: snapshot.success ? snapshot.data : EMPTY_SNAPSHOT };
      }
      case 'completed':
        return { state: 'ended', result: resultSchema.parse(job.returnvalue) };
      case 'failed':
        return { state: 'ended', result: failedResult(id, decodeFailure(job.failedReason)) };
      case 'unknown':
        return this.remembered(id);
      default:
        return { state: 'queued', position: await this.position(queue, jobIdOf(id)) };
    }
  }

  /**
   * Tells everything about a request from where it stands now to its end.
   * @returns stops the telling.
   */
  watch(id: string, listener: (event: JobEvent) => void): () => void {
    return this.watcher.watch(id, listener);
  }

  /** Stops a request, whichever process holds it. */
  async cancel(id: string): Promise<CancelOutcome> {
    const found = await this.find(id);
    if (found === undefined) return (await this.remembered(id)) === undefined ? 'unknown' : 'ended';
    const { job } = found;
    if (job.finishedOn !== undefined) return 'ended';
    // Set before anything else: a worker that takes the job up right now finds it.
    await this.store.set(cancelKey(this.redis.prefix, id), '1', 'EX', 3600);
    if ((await job.getState()) !== 'active') {
      try {
        await job.remove();
        await this.noteCancelled(id, job);
        this.watcher.refresh(id);
        return 'cancelled';
      } catch {
        // A worker was quicker and holds its lock.
      }
    }
    await this.store.publish(cancelChannel(this.redis.prefix), id);
    return 'stopping';
  }

  /** How busy the queues are, and what of it belongs to a conversation. */
  async overview(conversation: string): Promise<QueueOverview> {
    const counts = await Promise.all(
      QUEUE_NAMES.map(async (name) => {
        const count = await this.queue(name).getJobCounts('wait', 'prioritized', 'delayed', 'active');
        const waiting = (count.wait ?? 0) + (count.prioritized ?? 0) + (count.delayed ?? 0);
        return [name, { waiting, active: count.active ?? 0 }] as const;
      }),
    );
    const jobs: OpenJob[] = [];
    for (const { request, result } of await this.conversations.history(conversation)) {
      if (result !== undefined) continue;
      const view = await this.view(request.id);
      if (view === undefined || view.state === 'ended') continue;
      const position = view.state === 'queued' ? view.position : 0;
      jobs.push({ id: request.id, command: request.command, state: view.state, position });
    }
    return { queues: Object.fromEntries(counts) as QueueOverview['queues'], jobs };
  }

  /** Storage keys that waiting and running jobs need. */
  async filesInUse(): Promise<Set<string>> {
    const keys = new Set<string>();
    for (const name of QUEUE_NAMES) {
      for (const job of await this.queue(name).getJobs(['wait', 'prioritized', 'delayed', 'active'])) {
        const request = requestSchema.safeParse(job.data);
        for (const file of request.data?.files ?? []) keys.add(file.key);
      }
    }
    return keys;
  }

  async ready(): Promise<void> {
    await Promise.all([...this.queues.values()].map((queue) => queue.waitUntilReady()));
    await this.watcher.ready();
  }

  async close(): Promise<void> {
    await this.watcher.close();
    await Promise.all([...this.queues.values()].map((queue) => queue.close()));
    this.store.disconnect();
  }

  private async noteCancelled(id: string, job: QueuedJob): Promise<void> {
    const request = requestSchema.safeParse(job.data);
    if (request.success) await this.conversations.end(request.data, failedResult(id, CANCELLED));
    await this.store.del(cancelKey(this.redis.prefix, id));
  }

  private async isOpen(id: string): Promise<boolean> {
    const found = await this.find(id);
    return found !== undefined && found.job.finishedOn === undefined;
  }

  private async find(id: string): Promise<{ job: QueuedJob; queue: QueueName } | undefined> {
    for (const queue of QUEUE_NAMES) {
      const job = await this.queue(queue).getJob(jobIdOf(id));
      if (job !== undefined && job !== null) return { job, queue };
    }
    return undefined;
  }

  private async remembered(id: string): Promise<JobView | undefined> {
    const result = await this.conversations.result(id);
    return result === undefined ? undefined : { state: 'ended', result };
  }

  private async position(queue: QueueName, jobId: string): Promise<number> {
    const waiting = await this.queue(queue).getRanges(['wait', 'prioritized', 'delayed'], 0, -1, true);
    return waiting.indexOf(jobId) + 1;
  }

  private queue(name: QueueName): Queue<unknown, DoneResult, string> {
    const queue = this.queues.get(name);
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  }
}
