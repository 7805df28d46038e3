import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, MumuError, toMumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { DoneResult, Result } from '#contracts/result';
import { type AcceptContext, accept, checkBefore, whoOf } from '#src/chat/delivery/accept';
import type { Lease } from '#src/chat/delivery/deliveries';
import { Display } from '#src/chat/delivery/display';
import { type FetchContext, type FetchedFiles, fetchFiles } from '#src/chat/delivery/fetch-files';
import { followJob } from '#src/chat/delivery/follow-job';
import type { RedisHealth } from '#src/chat/delivery/health';
import { pauseBefore, untilAvailable } from '#src/chat/delivery/patience';
import type { Delivery, FinalView, Platform, Secrets, StatusView } from '#src/chat/delivery/types';
import type { Logger } from '#src/log';
import { shownNames } from '#src/policy/shown-names';
import { CANCELLED } from '#src/queue/snapshot';

/** An answer that cannot be posted so long after its request, and was tried for so long, is given up, milliseconds. */
const GIVE_UP = { age: 24 * 3600_000, trying: 3600_000 };
/**
 * What a messenger says of an answer that nothing can bring to its place. No other code is final: a full disk, a missing
 * ffmpeg, keys of the store that do not fit are mended while the result waits.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set(['not_found', 'not_allowed', 'cannot_do', 'refused']);

/** Told of what becomes of deliveries, for figures; it must not throw. Times are since the receipt, milliseconds. */
export interface CourierObserver {
  received?(platform: Platform): void;
  /** On its queue. */
  queued?(platform: Platform, milliseconds: number): void;
  /** Its answer was posted: a result, something told, or a failure by its code. */
  posted?(platform: Platform, outcome: 'done' | 'told' | ErrorCode, milliseconds: number): void;
  /** A call to the platform failed and is made again. */
  retried?(platform: Platform): void;
}

/** A lease as its holder knows it. */
export interface HeldLease extends Lease {
  /** Milliseconds since 1970 up to which nobody else can have taken over what it is for. */
  until: number;
}

export interface FollowContext extends AcceptContext, FetchContext {
  health: RedisHealth;
  /** Of this process. */
  lease: HeldLease;
  log: Logger;
  observer: CourierObserver;
}

/** What a follower starts with. */
export interface FollowStart {
  delivery: Delivery;
  secrets: Secrets | undefined;
  /** Milliseconds since 1970 up to which the platform honours the secrets. */
  secretsUntil: number;
  /** Whether another process had it before. */
  isTakenUp: boolean;
}

/** Brings one delivery from its receipt to its posted answer. */
export class Follower {
  private readonly stopped = new AbortController();
  private readonly cancelled = new AbortController();
  private readonly display: Display;
  private view: StatusView | undefined;
  private readonly delivery: Delivery;
  private readonly id: string;

  constructor(
    private readonly start: FollowStart,
    private readonly context: FollowContext,
  ) {
    this.delivery = start.delivery;
    this.id = start.delivery.id;
    this.display = new Display({ interval: context.messenger.interval, show: (view) => this.show(view) });
  }

  /**
   * Runs to the end.
   * @param written resolves to false if the delivery was known before, and is not ours to follow.
   * @returns whether the answer was posted; false where it was stopped, or is another's.
   */
  async run(written: Promise<boolean>): Promise<boolean> {
    const { health, log } = this.context;
    const quiet = health.onChange(() => this.refresh());
    this.refresh();
    try {
      if (!(await written)) return false;
      await this.post(await this.final());
      return true;
    } catch (error) {
      if (!this.stopped.signal.aborted) {
        log.error({ id: this.id, error: (error as Error).name }, 'a delivery could not be followed');
      }
      return false;
    } finally {
      quiet();
      await this.display.end();
    }
  }

  /** Leaves it to another process. */
  stop(): void {
    this.stopped.abort();
  }

  /** Gives up what has not reached its queue. @returns false if it has. */
  cancel(): boolean {
    if (this.delivery.state !== 'received') return false;
    this.cancelled.abort();
    return true;
  }

  /** Everything up to the last view. */
  private async final(): Promise<FinalView> {
    try {
      const accepted = await this.accepted();
      if ('told' in accepted) return { state: 'told', text: accepted.told };
      const result = await this.result(accepted.request);
      if (result.status === 'failed') return { state: 'failed', error: result.error };
      return {
        state: 'done',
        request: accepted.request,
        result: await this.checked(accepted.request, result),
      };
    } catch (thrown) {
      this.stopped.signal.throwIfAborted();
      const error = toMumuError(thrown);
      if (error.code === 'internal') {
        this.context.log.error({ id: this.id, stack: stackOf(error) }, 'a request could not be taken in');
      }
      return { state: 'failed', error: this.cancelled.signal.aborted ? CANCELLED : error.toFailure() };
    }
  }

  private async accepted(): Promise<{ told: string } | { request: Request }> {
    const { context, delivery } = this;
    if (delivery.request !== undefined) return { request: delivery.request };
    const queued = this.start.isTakenUp ? await this.patiently(() => this.alreadyQueued()) : undefined;
    if (queued !== undefined) return { request: await this.noteQueued(queued) };
    if (delivery.fileCount > 0) this.set({ state: 'fetching' });
    const signal = AbortSignal.any([this.stopped.signal, this.cancelled.signal]);
    let fetched: FetchedFiles | undefined;
    try {
      await this.patiently(() => checkBefore(delivery, context.policy));
      // Whoever is at their limit has nothing fetched and stored; what was taken up has its place already.
      if (delivery.fileCount > 0 && !this.start.isTakenUp) {
        await this.patiently(() => context.queue.requireRoom(delivery));
      }
      fetched = await this.patiently(() => fetchFiles(delivery, this.secrets(), context, signal));
      const { files } = fetched;
      if (await this.patiently(() => context.deliveries.isCancelled(this.id))) this.cancelled.abort();
      signal.throwIfAborted();
      const accepted = await this.patiently(() => accept(delivery, files, context));
      if ('told' in accepted) return accepted;
      await this.noteQueued(accepted.request);
      // Asked for in the moment it was put there.
      if (
        this.cancelled.signal.aborted ||
        (await this.patiently(() => context.deliveries.isCancelled(this.id)))
      ) {
        await this.patiently(() => context.queue.cancel(this.id));
      }
      return accepted;
    } finally {
      fetched?.release();
    }
  }

  /** A process that died between queueing a job and writing that down has queued it all the same. */
  private async alreadyQueued(): Promise<Request | undefined> {
    const { queue } = this.context;
    if ((await queue.view(this.id)) === undefined) return undefined;
    const history = await queue.conversations.history(this.delivery.conversation);
    return history.find(({ request }) => request.id === this.id)?.request;
  }

  private async noteQueued(request: Request): Promise<Request> {
    const { context, delivery } = this;
    await this.patiently(() => context.deliveries.patch(this.id, { state: 'queued', request }));
    delivery.state = 'queued';
    delivery.request = request;
    context.observer.queued?.(delivery.platform, Date.now() - delivery.receivedAt);
    return request;
  }

  private result(request: Request): Promise<Result> {
    const { queue, health, deliveries } = this.context;
    return followJob(request, {
      ...{ queue, health, signal: this.stopped.signal },
      isCancelled: () => deliveries.isCancelled(this.id),
      show: (view) => this.set(view),
    });
  }

  /** The result as the operator's policy lets it be shown. @throws MumuError refused */
  private async checked(request: Request, result: DoneResult): Promise<DoneResult> {
    const text = await this.allowed(result.text);
    if (result.caption === undefined) return { ...result, text };
    const caption = await this.allowed(result.caption);
    return {
      ...result,
      text,
      caption,
      files: shownNames(result.files, request.command, result.caption, caption),
    };
  }

  private async allowed(text: string): Promise<string> {
    if (text === '') return text;
    return await this.patiently(() => this.context.policy.checkAnswer(text, whoOf(this.delivery)));
  }

  /** Posts the answer, again and again if need be, and closes the delivery. */
  private async post(view: FinalView): Promise<void> {
    const { context, delivery, id } = this;
    const { messenger, observer, log } = context;
    await this.display.end();
    const began = Date.now();
    for (let attempt = 0; ; attempt += 1) {
      this.stopped.signal.throwIfAborted();
      await this.requireLease();
      try {
        await messenger.finish(delivery, view, this.secrets(), (posted) => this.note(posted), attempt);
        const age = Date.now() - delivery.receivedAt;
        const outcome = view.state === 'failed' ? view.error.code : view.state;
        observer.posted?.(delivery.platform, outcome, age);
        break;
      } catch (error) {
        this.stopped.signal.throwIfAborted();
        const isHopeless = error instanceof MumuError && FINAL.has(error.code);
        const now = Date.now();
        const isLate = now - delivery.receivedAt > GIVE_UP.age && now - began > GIVE_UP.trying;
        if (isHopeless || isLate) {
          log.error({ id, ...codeOf(error) }, 'an answer could not be posted and is given up');
          break;
        }
        observer.retried?.(delivery.platform);
        log.warn({ id, attempt, ...codeOf(error) }, 'an answer could not be posted yet');
        await delay(pauseBefore(attempt), undefined, { signal: this.stopped.signal });
      }
    }
    await this.patiently(() => context.deliveries.close(id, delivery.platform));
    delivery.state = 'closed';
  }

  /** A process that was frozen for a while may find that another has taken over: the answer is that one's. */
  private async requireLease(): Promise<void> {
    const { deliveries, lease } = this.context;
    const others = await this.patiently(() => deliveries.renew([this.id], lease));
    if (others.length > 0) this.stop();
    this.stopped.signal.throwIfAborted();
  }

  private async note(posted: Record<string, unknown>): Promise<void> {
    const { delivery, context } = this;
    delivery.posted = { ...delivery.posted, ...posted };
    await this.patiently(() => context.deliveries.patch(this.id, { posted: delivery.posted }));
  }

  private secrets(): Secrets | undefined {
    return Date.now() < this.start.secretsUntil ? this.start.secrets : undefined;
  }

  private patiently<Value>(work: () => Promise<Value>): Promise<Value> {
    const { health } = this.context;
    const onWait = () => this.refresh();
    return untilAvailable({ health, signal: this.stopped.signal, onWait }, work);
  }

  private set(view: StatusView): void {
    this.view = view;
    this.refresh();
  }

  private refresh(): void {
    if (this.context.health.away) this.display.set({ state: 'moment' });
    else if (this.view !== undefined) this.display.set(this.view);
  }

  /** One call to the platform; a partial answer goes through the policy first. */
  private async show(view: StatusView): Promise<void> {
    const { messenger, observer, log, lease } = this.context;
    try {
      const shown = await this.showable(view);
      // After a standstill another process may have shown the end already: a status would take it back.
      if (this.stopped.signal.aborted || Date.now() >= lease.until) return;
      await messenger.show(this.delivery, shown, this.secrets());
    } catch (error) {
      observer.retried?.(this.delivery.platform);
      log.debug({ id: this.id, ...codeOf(error) }, 'a status could not be shown');
    }
  }

  private async showable(view: StatusView): Promise<StatusView> {
    if (view.state !== 'active' || view.text === undefined) return view;
    const { text, ...rest } = view;
    try {
      return { ...rest, text: await this.context.policy.checkAnswer(text, whoOf(this.delivery), 'partial') };
    } catch {
      // What becomes of it is decided when it is whole.
      return rest;
    }
  }
}

/** Of what a platform's client threw only what cannot hold a token or somebody's words. */
function codeOf(error: unknown): { error: string; code?: string | number; status?: number } {
  if (!(error instanceof Error)) return { error: typeof error };
  const { code, status } = error as { code?: unknown; status?: unknown };
  return {
    error: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof status === 'number' ? { status } : {}),
  };
}

function stackOf(error: MumuError): string {
  const cause = error.cause ?? error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
