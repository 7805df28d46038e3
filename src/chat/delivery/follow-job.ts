import { setTimeout as delay } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { Result } from '#contracts/result';
import type { RedisHealth } from '#src/chat/delivery/health';
import type { StatusView } from '#src/chat/delivery/types';
import { ViewBuilder } from '#src/chat/delivery/views';
import type { JobQueue } from '#src/queue/job-queue';
import { CANCELLED, failedResult } from '#src/queue/snapshot';

/** A job that nobody remembers makes itself known by silence. */
const LOOK = 20_000;

export interface JobFollowing {
  queue: JobQueue;
  health: RedisHealth;
  signal: AbortSignal;
  /** Whether somebody asked to stop it: one that is nowhere any more is then no loss. */
  isCancelled(): Promise<boolean>;
  show(view: StatusView): void;
  /** Milliseconds, default 20,000: a job that tells nothing is looked for this often. */
  lookMilliseconds?: number;
}

/**
 * Follows a job to its end. One that Redis has lost (it may lose its last second when its machine dies) is queued
 * once more.
 * @throws MumuError internal if it is lost again; the signal's reason
 */
export async function followJob(request: Request, following: JobFollowing): Promise<Result> {
  const { queue, signal, show } = following;
  const builder = new ViewBuilder();
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  let unwatch = () => {};
  try {
    const result = new Promise<Result>((resolve) => {
      unwatch = queue.watch(request.id, (event) => {
        if (event.type === 'result') resolve(event.result);
        else show(builder.next(event));
      });
    });
    return await Promise.race([result, lost(request, following, stop)]);
  } finally {
    ended.abort();
    unwatch();
  }
}

/** Rejects when the job is lost for good, or when the waiting ends. @returns that a lost one was cancelled */
async function lost(request: Request, following: JobFollowing, signal: AbortSignal): Promise<Result> {
  const { queue, health, isCancelled } = following;
  let isRequeued = false;
  for (;;) {
    await delay(following.lookMilliseconds ?? LOOK, undefined, { signal });
    if (!(await health.check())) continue;
    try {
      if ((await queue.view(request.id)) !== undefined) continue;
      if (await isCancelled()) return failedResult(request.id, CANCELLED);
      if (!isRequeued) {
        await queue.submit(request);
        isRequeued = true;
        continue;
      }
    } catch {
      // Redis went away in between: the next look will tell.
      continue;
    }
    throw new MumuError('internal', 'The job was lost on the way: ask again.');
  }
}
