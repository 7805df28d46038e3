import type { Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Request, requestSchema } from '#contracts/request';
import { type Result, resultSchema } from '#contracts/result';
import type { Logger } from '#src/log';
import { Conversations } from '#src/queue/conversations';
import { eraseJobs } from '#src/queue/erase';
import { type LimitSettings, Limits, type Standing } from '#src/queue/limits';
import {
  ATTEMPTS,
  cancelChannel,
  cancelKey,
  DEFAULT_PACK,
  jobIdOf,
  QUEUE_KINDS,
  type Route,
  readQueueName,
  routeOf,
} from '#src/queue/names';
import type { CancelOutcome, OpenJob, QueueCount, QueueOverview } from '#src/queue/overview';
import { type QueuedJob, Queues } from '#src/queue/queues';
import { type SetAside, SetAsideList } from '#src/queue/set-aside';
import {
  CANCELLED,
  decodeFailure,
  EMPTY_SNAPSHOT,
  failedResult,
  type JobEvent,
  type JobView,
  snapshotSchema,
} from '#src/queue/snapshot';
import { JobWatcher, type Sight } from '#src/queue/watch';
import { type Offer, requireTaker, type WorkerInfo, WorkerRegistry } from '#src/queue/workers';
import { type RedisAccess, redisFailure } from '#src/redis/access';

/** Who takes jobs is read again at most this often, milliseconds. */
const WORKERS_AGE = 1_000;
/** A user's second job comes after every first one, whatever the servers' turns: BullMQ's priorities end at 2^21. */
const ROUND = 1024;

export type { CancelOutcome, OpenJob, QueueCount, QueueOverview } from '#src/queue/overview';

export interface JobQueueOptions extends LimitSettings {
  /** How long results and conversations are remembered, milliseconds. */
  keepMilliseconds: number;
  /** What answers where a request names no pack. Default: the one that ships. */
  pack?: string;
  log: Logger;
  telemetry?: Telemetry;
}

/** Producer's side of the queues: submit, watch, cancel. Any number of processes may hold one. */
export class JobQueue {
  readonly conversations: Conversations;
  private readonly store: Redis;
  private readonly queues: Queues;
  private readonly limits: Limits;
  private readonly watcher: JobWatcher;
  private readonly registry: WorkerRegistry;
  private readonly aside: SetAsideList;
  private readonly pack: string;
  private known: { workers: Offer[]; until: number } = { workers: [], until: 0 };

  constructor(
    private readonly redis: RedisAccess,
    options: JobQueueOptions,
  ) {
    const { prefix } = redis;
    this.pack = options.pack ?? DEFAULT_PACK;
    this.store = redis.connect('producer');
    this.conversations = new Conversations(this.store, prefix, options.keepMilliseconds);
    this.queues = new Queues(redis, this.store, options);
    this.limits = new Limits(this.store, prefix, options, (id) => this.isOpen(id));
    this.registry = new WorkerRegistry(this.store, prefix);
    this.aside = new SetAsideList(this.store, prefix);
    this.watcher = new JobWatcher(redis, this.queues, (id, place) => this.look(id, place), options.log);
    // What happened while Redis was away was told to nobody.
    this.store.on('ready', () => this.watcher.refreshAll());
  }

  /**
   * Puts a request on its queue. The same id twice is one job, also after a crash half-way, so an event delivered
   * twice does no harm. Users take turns: the more jobs one has open, the later a further one comes; among users who
   * are as far, servers take turns.
   * @param typed the command line as the user wrote it, for the history.
   * @throws MumuError limit_reached; not_found or cannot_do if no worker will ever take it; unavailable or disk_full
   *   if Redis cannot take it.
   */
  async submit(request: Request, typed?: string): Promise<void> {
    const data = requestSchema.parse(request);
    try {
      if (await this.wasQueued(data.id)) return;
      await this.requireTaker(data);
      const standing = await this.limits.take(data);
      try {
        const [queue] = await Promise.all([
          this.queues.place(data.id, routeOf(data, this.pack)),
          this.conversations.begin(data, typed),
        ]);
        await queue.add(data.command, data, {
          jobId: jobIdOf(data.id),
          attempts: ATTEMPTS,
          priority: priorityOf(standing),
          removeOnComplete: { age: 24 * 3600, count: 1000 },
          removeOnFail: { age: 24 * 3600, count: 1000 },
        });
      } catch (error) {
        await this.conversations.forget(data);
        await this.queues.forget(data.id);
        await this.limits.giveBack(data);
        throw error;
      }
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /**
   * Whether somebody could have one more request taken, before work is put into it.
   * @throws MumuError limit_reached, unavailable
   */
  async requireRoom(who: Pick<Request, 'user' | 'server'>): Promise<void> {
    try {
      await this.limits.requireRoom(who);
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /** Where a request stands; undefined if nobody remembers it. */
  async view(id: string): Promise<JobView | undefined> {
    return (await this.look(id))?.view;
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
    const found = await this.queues.find(id);
    if (found === undefined) return (await this.remembered(id)) === undefined ? 'unknown' : 'ended';
    const { job } = found;
    if (job.finishedOn !== undefined) return 'ended';
    // Set before anything else: a worker that takes the job up right now finds it.
    await this.store.set(cancelKey(this.redis.prefix, id), '1', 'EX', 3600);
    const state = await job.getState();
    if (state === 'completed' || state === 'failed') {
      await this.store.del(cancelKey(this.redis.prefix, id));
      return 'ended';
    }
    if (state !== 'active') {
      let removed = true;
      try {
        await job.remove();
      } catch {
        // A worker was quicker and holds its lock.
        removed = false;
      }
      if (removed) {
        const outcome = await this.noteCancelled(id, job);
        this.watcher.refresh(id);
        return outcome;
      }
    }
    await this.store.publish(cancelChannel(this.redis.prefix), id);
    return 'stopping';
  }

  /** How busy the queues are, and what of it belongs to a conversation. */
  async overview(conversation: string): Promise<QueueOverview> {
    const queues = Object.fromEntries(
      QUEUE_KINDS.map((kind) => [kind, { waiting: 0, active: 0 }]),
    ) as QueueOverview['queues'];
    for (const { kind, waiting, active } of await this.counts()) {
      queues[kind].waiting += waiting;
      queues[kind].active += active;
    }
    const jobs: OpenJob[] = [];
    for (const { request, result } of await this.conversations.history(conversation)) {
      if (result !== undefined) continue;
      const view = await this.view(request.id);
      if (view === undefined || view.state === 'ended') continue;
      const position = view.state === 'queued' ? view.position : 0;
      jobs.push({ id: request.id, command: request.command, state: view.state, position });
    }
    return { queues, jobs };
  }

  /** How busy each queue is. */
  async counts(): Promise<QueueCount[]> {
    return await Promise.all(
      (await this.queues.names()).map(async (name) => {
        const count = await this.queues.get(name).getJobCounts('wait', 'prioritized', 'delayed', 'active');
        const waiting = (count.wait ?? 0) + (count.prioritized ?? 0) + (count.delayed ?? 0);
        return { ...(readQueueName(name) as Route), name, waiting, active: count.active ?? 0 };
      }),
    );
  }

  /** Names of the queues in Redis that ever held a job. */
  async names(): Promise<string[]> {
    return await this.queues.names();
  }

  /** Who takes jobs at the moment. */
  async workers(): Promise<WorkerInfo[]> {
    return await this.registry.alive();
  }

  /** Jobs that ended their worker twice and are given to no further one, the newest first. */
  async setAside(): Promise<SetAside[]> {
    return await this.aside.all();
  }

  /** Storage keys that waiting and running jobs need. */
  async filesInUse(): Promise<Set<string>> {
    const requests = await this.openRequests();
    return new Set(requests.flatMap((request) => request.files.map((file) => file.key)));
  }

  /** Every waiting and running request. */
  async openRequests(): Promise<Request[]> {
    const requests: Request[] = [];
    for (const name of await this.queues.names()) {
      const jobs = await this.queues.get(name).getJobs(['wait', 'prioritized', 'delayed', 'active']);
      for (const job of jobs) {
        const request = requestSchema.safeParse(job?.data);
        if (request.success) requests.push(request.data);
      }
    }
    return requests;
  }

  /** Takes ended and waiting jobs out with all that was kept of them; one that runs has to be cancelled first. */
  async erase(isMeant: (request: Request) => boolean): Promise<void> {
    for (const name of await this.queues.names()) {
      await eraseJobs(this.queues.get(name), this.store, isMeant);
    }
  }

  async ready(): Promise<void> {
    await this.store.ping();
  }

  async close(): Promise<void> {
    await this.watcher.close();
    await this.queues.close();
    this.store.disconnect();
  }

  /** Where a request stands, and on which queue. */
  private async look(id: string, place?: string): Promise<Sight | undefined> {
    const found = await this.queues.find(id, place);
    if (found === undefined) return this.remembered(id);
    const { queue } = found;
    const state = await found.job.getState();
    // What was read before the state may be older than it.
    const job = (await queue.getJob(jobIdOf(id))) ?? found.job;
    const seen = (view: JobView): Sight => ({ view, queue: queue.name });
    switch (state) {
      case 'active': {
        const snapshot = snapshotSchema.safeParse(job.progress);
        return seen({ state: 'active', snapshot: snapshot.success ? snapshot.data : EMPTY_SNAPSHOT });
      }
      case 'completed':
        return seen({ state: 'ended', result: resultSchema.parse(job.returnvalue) });
      case 'failed':
        return seen({ state: 'ended', result: failedResult(id, decodeFailure(job.failedReason)) });
      case 'unknown':
        return this.remembered(id);
      default: {
        return seen({ state: 'queued', position: await this.queues.position(queue, jobIdOf(id)) });
      }
    }
  }

  private async remembered(id: string): Promise<Sight | undefined> {
    const result = await this.conversations.result(id);
    return result === undefined ? undefined : { view: { state: 'ended', result } };
  }

  /** Whether this id got as far as its queue before; one whose intake died on the way did not. */
  private async wasQueued(id: string): Promise<boolean> {
    if ((await this.queues.placeOf(id)) === undefined) return false;
    return (await this.queues.find(id)) !== undefined || (await this.conversations.result(id)) !== undefined;
  }

  private async requireTaker(request: Request): Promise<void> {
    const { options } = request;
    if (options.pack === undefined && options.device === undefined) return;
    const now = Date.now();
    // Nobody is soon somebody: that is looked at again at once.
    const isFresh = now < this.known.until && this.known.workers.length > 0;
    if (!isFresh) this.known = { workers: await this.registry.offers(), until: now + WORKERS_AGE };
    try {
      requireTaker(options, this.known.workers, this.pack);
    } catch (error) {
      if (!isFresh) throw error;
      // A worker may have come in the meantime.
      this.known.until = 0;
      await this.requireTaker(request);
    }
  }

  /** @returns 'ended' where a worker was so quick that a result stands. */
  private async noteCancelled(id: string, job: QueuedJob): Promise<'cancelled' | 'ended'> {
    const request = requestSchema.safeParse(job.data);
    let standing: Result | undefined;
    if (request.success) {
      standing = await this.conversations.end(request.data, failedResult(id, CANCELLED));
      await this.limits.ended(request.data);
    }
    await this.store.del(cancelKey(this.redis.prefix, id));
    const isCancelled =
      standing === undefined || (standing.status === 'failed' && standing.error.code === CANCELLED.code);
    return isCancelled ? 'cancelled' : 'ended';
  }

  private async isOpen(id: string): Promise<boolean | undefined> {
    const found = await this.queues.find(id);
    return found === undefined ? undefined : found.job.finishedOn === undefined;
  }
}

function priorityOf({ ofUser, ofServer }: Standing): number {
  return 1 + Math.min(ofUser, ROUND) * ROUND + Math.min(ofServer, ROUND - 1);
}
