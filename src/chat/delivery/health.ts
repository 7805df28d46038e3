import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';

/** Redis is asked for a sign of life this often, and given this long for it, milliseconds. */
const EVERY = 1000;
const PATIENCE = 2000;

/** Whether Redis answers: a connection that stands says little, a frozen server keeps it. */
export class RedisHealth {
  away = false;
  private readonly listeners = new Set<() => void>();
  private readonly timer: NodeJS.Timeout;
  private asking: Promise<boolean> | undefined;

  constructor(private readonly redis: Redis) {
    this.timer = setInterval(() => void this.check(), EVERY);
    this.timer.unref();
  }

  /** Asks now. @returns whether it answers. */
  check(): Promise<boolean> {
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  /** Tells of every change. @returns stops the telling. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.timer);
    this.listeners.clear();
  }

  private async ask(): Promise<boolean> {
    const answered = await Promise.race([
      this.redis.ping().then(
        () => true,
        () => false,
      ),
      delay(PATIENCE, false, { ref: false }),
    ]);
    if (this.away === answered) {
      this.away = !answered;
      for (const listener of [...this.listeners]) listener();
    }
    return answered;
  }
}
