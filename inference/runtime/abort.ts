import { setImmediate } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';

/** @throws MumuError cancelled */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MumuError('cancelled', 'The job was cancelled.');
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
