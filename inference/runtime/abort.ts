import { setImmediate } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import { unlessAborted } from '#contracts/unless-aborted';

const cancelled = () => new MumuError('cancelled', 'The job was cancelled.');

/** @throws MumuError cancelled */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled();
}

/**
 * What `work` comes to, unless the job is cancelled before that. The work itself goes on: other jobs may wait for it
 * too, and the next one will.
 * @throws MumuError cancelled
 */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return unlessAborted(work, signal, cancelled);
}

/**
 * To be awaited between steps: lets messages (a cancel) in, since a session's run blocks the thread, and ends the job
 * if one came.
 * @throws MumuError cancelled
 */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await setImmediate();
  throwIfAborted(signal);
}
