import { setTimeout as delay } from 'node:timers/promises';
import type { MumuError } from '#contracts/errors';
import type { RedisHealth } from '#src/chat/delivery/health';
import { redisFailure } from '#src/redis/access';

/** Pauses grow from this to that, milliseconds. */
const SHORTEST = 500;
const LONGEST = 30_000;
/** Tries at something that is away while Redis is not: a store, a moderation hook. */
const TRIES = 5;
/**
 * Tries of an answer, eight minutes or so, in which a file that cannot be made ready may still become so (a disk that
 * is full, a store whose keys are being changed). After them the answer goes out without it and says so.
 */
export const FILE_TRIES = 20;

/** The pause before the next try, milliseconds; a little different each time, so that not all come back at once. */
export function pauseBefore(attempt: number): number {
  return Math.min(LONGEST, SHORTEST * 2 ** Math.min(attempt, 10)) * (0.75 + Math.random() / 2);
}

export interface Patience {
  health: RedisHealth;
  /** Ends the waiting: this process stops. */
  signal: AbortSignal;
  /** Told before every pause. */
  onWait(error: MumuError): void;
}

/**
 * Does something until it goes through: for as long as Redis is away, and a few times more where something else is.
 * @throws MumuError whatever else it throws; the signal's reason.
 */
export async function untilAvailable<Value>(patience: Patience, work: () => Promise<Value>): Promise<Value> {
  const { health, signal } = patience;
  for (let attempt = 0, others = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (thrown) {
      signal.throwIfAborted();
      const error = redisFailure(thrown);
      if (error.code !== 'unavailable') throw error;
      if (await health.check()) others += 1;
      if (others >= TRIES) throw error;
      patience.onWait(error);
      await delay(health.away ? 500 : pauseBefore(attempt), undefined, { signal });
    }
  }
}
