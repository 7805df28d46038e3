import { QueueEvents } from 'bullmq';
import type { Logger } from '#src/log';
import { QUEUE_NAMES, requestIdOf } from '#src/queue/names';
import { EventDiffer, type JobEvent, type JobView, snapshotSchema } from '#src/queue/snapshot';
import type { RedisAccess } from '#src/redis/access';

/** Positions change in bursts: they are read again at most this often, milliseconds. */
const GATHER = 50;
/** Redis keeps only the last events; every watched job is looked at this often besides, milliseconds. */
const RECONCILE = 10_000;

interface Watch {
  differ: EventDiffer;
  listener(event: JobEvent): void;
  waiting: boolean;
}

/** Follows the events of the queues and tells each listener of its own job. */
export class JobWatcher {
  private readonly watches = new Map<string, Set<Watch>>();
  private readonly events: QueueEvents[];
  private readonly reconciler: NodeJS.Timeout;
  private gathering: NodeJS.Timeout | undefined;
  /** Jobs being read, and whether something happened to them since. */
  private readonly reading = new Map<string, { again: boolean }>();

  constructor(
    redis: RedisAccess,
    private readonly view: (id: string) => Promise<JobView | undefined>,
    private readonly log: Logger,
  ) {
    this.events = QUEUE_NAMES.map((name) => {
      const events = new QueueEvents(name, { connection: redis.connect('worker'), prefix: redis.prefix });
      events.on('error', (error) => log.warn({ queue: name, error: error.message }, 'queue events'));
      events.on('progress', ({ jobId, data }) => this.progressed(requestIdOf(jobId), data));
      const changed = ({ jobId }: { jobId: string }) => this.changed(requestIdOf(jobId));
      events.on('active', changed);
      events.on('waiting', changed);
      events.on('delayed', changed);
      events.on('completed', changed);
      events.on('failed', changed);
      events.on('removed', changed);
      return events;
    });
    this.reconciler = setInterval(() => {
      for (const id of this.watches.keys()) this.refresh(id);
    }, RECONCILE);
    this.reconciler.unref();
  }

  /** Starts with where the job stands now, so that nothing said before is missed. */
  watch(id: string, listener: (event: JobEvent) => void): () => void {
    const watch: Watch = { differ: new EventDiffer(), listener, waiting: false };
    const watches = this.watches.get(id) ?? new Set();
    watches.add(watch);
    this.watches.set(id, watches);
    this.refresh(id);
    return () => {
      watches.delete(watch);
      if (watches.size === 0 && this.watches.get(id) === watches) this.watches.delete(id);
    };
  }

  /** Reads where a watched job stands and tells what is new. */
  refresh(id: string): void {
    if (!this.watches.has(id)) return;
    const reading = this.reading.get(id);
    if (reading !== undefined) {
      reading.again = true;
      return;
    }
    const state = { again: false };
    this.reading.set(id, state);
    this.view(id)
      .then((view) => {
        if (view !== undefined) this.tell(id, view);
      })
      .catch((error: Error) => this.log.warn({ id, error: error.message }, 'could not read a job'))
      .finally(() => {
        this.reading.delete(id);
        if (state.again) this.refresh(id);
      });
  }

  async ready(): Promise<void> {
    await Promise.all(this.events.map((events) => events.waitUntilReady()));
  }

  async close(): Promise<void> {
    clearInterval(this.reconciler);
    clearTimeout(this.gathering);
    this.watches.clear();
    await Promise.all(this.events.map((events) => events.close()));
  }

  private progressed(id: string, data: unknown): void {
    const snapshot = snapshotSchema.safeParse(data);
    if (snapshot.success && this.watches.has(id)) this.tell(id, { state: 'active', snapshot: snapshot.data });
  }

  /** A job's own change is told at once; those that wait behind it have moved up. */
  private changed(id: string): void {
    this.refresh(id);
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      for (const [other, watches] of this.watches) {
        if ([...watches].some((watch) => watch.waiting)) this.refresh(other);
      }
    }, GATHER);
  }

  private tell(id: string, view: JobView): void {
    for (const watch of this.watches.get(id) ?? []) {
      watch.waiting = view.state === 'queued';
      for (const event of watch.differ.next(view)) watch.listener(event);
    }
  }
}
