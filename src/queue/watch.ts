import { QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Result, resultSchema } from '#contracts/result';
import type { Logger } from '#src/log';
import { jobIdOf, requestIdOf } from '#src/queue/names';
import { type Queues, waitingIds } from '#src/queue/queues';
import {
  decodeFailure,
  EMPTY_SNAPSHOT,
  EventDiffer,
  failedResult,
  type JobEvent,
  type JobView,
  snapshotSchema,
} from '#src/queue/snapshot';
import type { RedisAccess } from '#src/redis/access';

/** Positions change in bursts: they are read again at most this often, milliseconds. */
const GATHER = 100;
/** Redis keeps only the last events; every watched job is looked at this often besides, milliseconds. */
const RECONCILE = 10_000;

/** Where a job stands, and the queue it lies on, if it still does. */
export interface Sight {
  view: JobView;
  queue?: string;
}

interface Watch {
  differ: EventDiffer;
  listener(event: JobEvent): void;
}

/** One watched job. */
interface Watched {
  watches: Set<Watch>;
  /** The queue it waits on; undefined while it does not. */
  waitsOn: string | undefined;
}

/** Follows the events of the queues and tells each listener of its own job. */
export class JobWatcher {
  private readonly jobs = new Map<string, Watched>();
  /** Event streams that are followed, by queue; each resolves when nothing of it can be missed any more. */
  private readonly streams = new Map<string, Promise<void>>();
  private readonly events: QueueEvents[] = [];
  private readonly connections: Redis[] = [];
  private readonly reconciler: NodeJS.Timeout;
  /** Queues whose order has changed. */
  private readonly moved = new Set<string>();
  private gathering: NodeJS.Timeout | undefined;
  /** Jobs being read, and whether something happened to them since. */
  private readonly reading = new Map<string, { again: boolean }>();
  private closed = false;

  constructor(
    private readonly redis: RedisAccess,
    private readonly queues: Queues,
    private readonly look: (id: string, place?: string) => Promise<Sight | undefined>,
    private readonly log: Logger,
  ) {
    this.reconciler = setInterval(() => this.refreshAll(), RECONCILE);
    this.reconciler.unref();
  }

  /** Starts with where the job stands now, so that nothing said before is missed. */
  watch(id: string, listener: (event: JobEvent) => void): () => void {
    const watch: Watch = { differ: new EventDiffer(), listener };
    const job = this.jobs.get(id) ?? { watches: new Set(), waitsOn: undefined };
    job.watches.add(watch);
    this.jobs.set(id, job);
    this.refresh(id);
    return () => {
      job.watches.delete(watch);
      if (job.watches.size === 0 && this.jobs.get(id) === job) this.jobs.delete(id);
    };
  }

  refreshAll(): void {
    for (const id of this.jobs.keys()) this.refresh(id);
  }

  /** Reads where a watched job stands and tells what is new. */
  refresh(id: string): void {
    if (this.closed || !this.jobs.has(id)) return;
    const reading = this.reading.get(id);
    if (reading !== undefined) {
      reading.again = true;
      return;
    }
    const state = { again: false };
    this.reading.set(id, state);
    this.read(id)
      .catch((error: Error) => this.log.warn({ id, error: error.message }, 'could not read a job'))
      .finally(() => {
        this.reading.delete(id);
        if (state.again) this.refresh(id);
      });
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.reconciler);
    clearTimeout(this.gathering);
    this.jobs.clear();
    await Promise.all(this.events.map((events) => events.close()));
    for (const connection of this.connections) connection.disconnect();
  }

  private async read(id: string): Promise<void> {
    // The stream first: what happens after the look is then heard of.
    const place = await this.queues.placeOf(id);
    if (place !== undefined && !this.closed) await this.follow(place);
    const sight = await this.look(id, place);
    if (sight !== undefined) this.tell(id, sight.view, sight.queue);
  }

  private follow(name: string): Promise<void> {
    const known = this.streams.get(name);
    if (known !== undefined) return known;
    const following = this.startFollowing(name);
    this.streams.set(name, following);
    // Redis was away: the next look tries again.
    following.catch(() => this.streams.delete(name));
    return following;
  }

  private async startFollowing(name: string): Promise<void> {
    const connection = this.redis.connect('worker');
    this.connections.push(connection);
    const stream = this.queues.get(name).toKey('events');
    const [last] = await connection.xrevrange(stream, '+', '-', 'COUNT', 1);
    if (this.closed) return;
    const events = new QueueEvents(name, {
      connection,
      prefix: this.redis.prefix,
      lastEventId: last?.[0] ?? '0-0',
    });
    this.events.push(events);
    events.on('error', (error) => this.log.warn({ queue: name, error: error.message }, 'queue events'));
    events.on('progress', ({ jobId, data }) => this.progressed(requestIdOf(jobId), data));
    const changed = ({ jobId }: { jobId: string }, view?: JobView) =>
      this.changed(name, requestIdOf(jobId), view);
    events.on('active', (event) => changed(event, { state: 'active', snapshot: EMPTY_SNAPSHOT }));
    events.on('completed', (event) => changed(event, endOf(resultSchema.safeParse(event.returnvalue).data)));
    events.on('failed', (event) => {
      const failure = decodeFailure(event.failedReason);
      changed(event, endOf(failedResult(requestIdOf(event.jobId), failure)));
    });
    const moved = (event: { jobId: string }) => changed(event);
    for (const event of ['waiting', 'delayed', 'removed'] as const) events.on(event, moved);
  }

  private progressed(id: string, data: unknown): void {
    const snapshot = snapshotSchema.safeParse(data);
    if (snapshot.success && this.jobs.has(id)) this.tell(id, { state: 'active', snapshot: snapshot.data });
  }

  /**
   * A job's own change is told at once; those that wait behind it have moved up. Where the event says it all, nothing
   * has to be read, unless a look is under way that may be older.
   */
  private changed(queue: string, id: string, view: JobView | undefined): void {
    if (view === undefined || (this.reading.has(id) && view.state !== 'ended')) this.refresh(id);
    else this.tell(id, view);
    this.moved.add(queue);
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      for (const name of this.moved) {
        this.tellPositions(name).catch((error: Error) => {
          this.log.warn({ queue: name, error: error.message }, 'could not read the order of a queue');
        });
      }
      this.moved.clear();
    }, GATHER);
  }

  /** One look at a queue serves all who wait on it. */
  private async tellPositions(name: string): Promise<void> {
    const waiting = [...this.jobs].filter(([, job]) => job.waitsOn === name).map(([id]) => id);
    if (waiting.length === 0) return;
    const order = new Map((await waitingIds(this.queues.get(name))).map((jobId, index) => [jobId, index]));
    for (const id of waiting) {
      const index = order.get(jobIdOf(id));
      // Not there any more: an event of its own tells what became of it.
      if (index === undefined || this.jobs.get(id)?.waitsOn !== name) continue;
      this.tell(id, { state: 'queued', position: index + 1 }, name);
    }
  }

  private tell(id: string, view: JobView, queue?: string): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    job.waitsOn = view.state === 'queued' ? queue : undefined;
    for (const watch of job.watches) {
      for (const event of watch.differ.next(view)) watch.listener(event);
    }
  }
}

function endOf(result: Result | undefined): JobView | undefined {
  return result === undefined ? undefined : { state: 'ended', result };
}
