import { setMaxListeners } from 'node:events';
import { type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { Redis } from 'ioredis';
import { MumuError, toMumuError } from '#contracts/errors';
import type { Progress } from '#contracts/progress';
import { type Request, requestSchema } from '#contracts/request';
import { type DoneResult, type Result, resultSchema } from '#contracts/result';
import { unlessAborted } from '#contracts/unless-aborted';
import type { Logger } from '#src/log';
import { AGAIN } from '#src/queue/again';
import { Conversations } from '#src/queue/conversations';
import { ATTEMPTS, cancelKey, DEATHS } from '#src/queue/names';
import type { JobObserver, JobOutcome } from '#src/queue/observer';
import { OpenJobs } from '#src/queue/open-jobs';
import { ProgressReporter } from '#src/queue/reporter';
import { SET_ASIDE, SetAsideList } from '#src/queue/set-aside';
import { CANCELLED, encodeFailure, failedResult, type Snapshot } from '#src/queue/snapshot';
import { Takers } from '#src/queue/takers';
import type { WorkerRegistry } from '#src/queue/workers';

export interface JobContext {
  /** Aborts when the user cancels or this process has to stop. */
  signal: AbortSignal;
  /** May be called as often as one likes: what goes over Redis is thinned out, the last word never lost. */
  onProgress(progress: Progress): void;
  /** 1 for the first time a worker takes it. */
  attempt: number;
  /** The pack whose queue the job came from. */
  pack: string;
}

/**
 * Does one job. A MumuError it throws decides what follows: `engine_lost` is tried once more, every other code
 * ends the job and reaches the user.
 */
export type JobHandler = (request: Request, context: JobContext) => Promise<DoneResult>;

export type TakenJob = Job<unknown, DoneResult, string, Snapshot>;

export interface ProcessorOptions {
  /** A connection that waits until Redis is back: what a worker has to say must not get lost. */
  store: Redis;
  prefix: string;
  /** The name of this worker among those announced. */
  worker: string;
  registry: WorkerRegistry;
  keepMilliseconds: number;
  handle: JobHandler;
  observer?: JobObserver;
  log: Logger;
}

/** Held against the contract here, where a bad result fails its own job, not where everyone reads it. */
const doneResultSchema = resultSchema.refine((result): result is DoneResult => result.status === 'done');

/** What a worker does with a job it has taken. */
export class JobProcessor {
  /** Ids of what runs; one may run twice, where the queue took its first run for dead. */
  private readonly running = new Map<AbortController, string>();
  private readonly conversations: Conversations;
  private readonly open: OpenJobs;
  private readonly aside: SetAsideList;
  private readonly takers: Takers;
  private readonly stopping = new AbortController();

  constructor(private readonly options: ProcessorOptions) {
    const { store, prefix, keepMilliseconds } = options;
    this.conversations = new Conversations(store, prefix, keepMilliseconds);
    this.open = new OpenJobs(store, prefix);
    this.aside = new SetAsideList(store, prefix);
    this.takers = new Takers(store, prefix, options.registry);
    // Every running job listens.
    setMaxListeners(0, this.stopping.signal);
    this.stopping.signal.addEventListener('abort', () => {
      for (const controller of this.running.keys()) controller.abort();
    });
  }

  /** A cancellation was broadcast. */
  cancel(id: string): void {
    for (const [controller, own] of this.running) if (own === id) controller.abort();
  }

  /** Broadcasts were missed while the connection was down: the keys tell. */
  async lookForCancelled(): Promise<void> {
    for (const [controller, id] of this.running) await this.abortIfCancelled(id, controller);
  }

  /** Puts every running job back on its queue at once, without waiting for what does it. */
  stop(): void {
    this.stopping.abort();
  }

  /** Does one job as BullMQ wants it: returns the result, or throws what says how to go on. */
  async process(job: TakenJob, token: string | undefined, pack: string): Promise<DoneResult> {
    const { log, observer } = this.options;
    const parsed = requestSchema.safeParse(job.data);
    if (!parsed.success) {
      const failure = new MumuError('internal', 'This job cannot be read by this version of mumu.');
      throw new UnrecoverableError(encodeFailure(failure.toFailure()));
    }
    const request = parsed.data;
    const { id } = request;
    const attempt = job.attemptsStarted;
    if (attempt > 1) {
      const known = await this.conversations.result(id);
      if (known !== undefined) return await this.asBefore(request, known);
      const deaths = await this.takers.deaths(id);
      if (deaths >= DEATHS) throw await this.setAside(request, pack, deaths);
    }
    const controller = new AbortController();
    this.running.set(controller, id);
    const reporter = new ProgressReporter(job, log);
    const began = performance.now();
    const end = (outcome: JobOutcome) =>
      observer?.ended?.(request, outcome, { pack, milliseconds: performance.now() - began });
    try {
      await Promise.all([this.takers.note(id, this.options.worker), this.abortIfCancelled(id, controller)]);
      controller.signal.throwIfAborted();
      const waitMilliseconds = Math.max(0, (job.processedOn ?? job.timestamp) - job.timestamp);
      // The logger leaves the text out unless the operator asked for it (MUMU_LOG_TEXTS).
      log.info({ id, command: request.command, pack, attempt, text: request.text }, 'job started');
      observer?.started?.(request, { pack, waitMilliseconds, attempt });
      if (attempt > 1) {
        reporter.report({ type: 'note', text: job.attemptsMade > 0 ? AGAIN.engine : AGAIN.worker });
      }
      const context: JobContext = {
        signal: controller.signal,
        onProgress: (progress) => reporter.report(progress),
        attempt,
        pack,
      };
      const result = doneResultSchema.parse(
        await unlessAborted(this.options.handle(request, context), this.stopping.signal, () => new Stopped()),
      );
      await reporter.close();
      await this.noteEnd(request, result);
      log.info({ id, timings: result.timings }, 'job done');
      end({ status: 'done', result });
      return result;
    } catch (thrown) {
      await reporter.close();
      if (thrown instanceof Stopped || (this.stopping.signal.aborted && controller.signal.aborted)) {
        log.info({ id }, 'job put back: this process stops');
        await this.takers.release(id, this.options.worker);
        await job.moveToWait(token);
        end({ status: 'put-back' });
        throw new WaitingError();
      }
      throw await this.fail(request, job, controller.signal.aborted, thrown, end);
    } finally {
      this.running.delete(controller);
    }
  }

  /** A worker died between noting a result and telling BullMQ: nothing is done twice. */
  private async asBefore(request: Request, known: Result): Promise<DoneResult> {
    await this.noteEnd(request, known);
    if (known.status === 'done') return known;
    throw new UnrecoverableError(encodeFailure(known.error));
  }

  /** What to throw at BullMQ; a final failure is noted in the conversation first. */
  private async fail(
    request: Request,
    job: TakenJob,
    cancelled: boolean,
    thrown: unknown,
    end: (outcome: JobOutcome) => void,
  ): Promise<Error> {
    const error: MumuError = cancelled
      ? new MumuError('cancelled', CANCELLED.message, { cause: thrown })
      : toMumuError(thrown);
    const { id } = request;
    const again = error.retryable && job.attemptsMade + 1 < ATTEMPTS;
    const detail = error.code === 'internal' ? { stack: stackOf(error.cause ?? error) } : {};
    this.options.log[error.code === 'internal' ? 'error' : 'info'](
      { id, code: error.code, again, ...detail },
      'job failed',
    );
    end({ status: 'failed', code: error.code, again, setAside: false });
    if (again) {
      await this.takers.release(id, this.options.worker);
      return new Error(encodeFailure(error.toFailure()));
    }
    await this.noteEnd(request, failedResult(id, error.toFailure()));
    return new UnrecoverableError(encodeFailure(error.toFailure()));
  }

  /** A job that ended its worker as often as that may end the next one too. */
  private async setAside(request: Request, pack: string, deaths: number): Promise<Error> {
    const { id, command } = request;
    if (await this.aside.add(request, pack, deaths)) {
      this.options.log.error({ id, command, pack, deaths }, 'job set aside: its worker died under it twice');
      this.options.observer?.ended?.(
        request,
        { status: 'failed', code: 'set_aside', again: false, setAside: true },
        { pack, milliseconds: 0 },
      );
    }
    await this.noteEnd(request, failedResult(id, SET_ASIDE));
    return new UnrecoverableError(encodeFailure(SET_ASIDE));
  }

  private async noteEnd(request: Request, result: Result): Promise<void> {
    const { store, prefix } = this.options;
    await this.conversations.end(request, result);
    await Promise.all([
      this.open.leave(request, true),
      this.takers.forget(request.id),
      store.del(cancelKey(prefix, request.id)),
    ]);
  }

  private async abortIfCancelled(id: string, controller: AbortController): Promise<void> {
    const { store, prefix, log } = this.options;
    try {
      if ((await store.exists(cancelKey(prefix, id))) === 1) controller.abort();
    } catch (error) {
      log.warn({ id, error: (error as Error).message }, 'could not look whether a job was cancelled');
    }
  }
}

/** This process stops; what it does is somebody else's from now on. */
class Stopped extends Error {}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
