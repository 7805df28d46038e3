import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '#src/log';

/** What has been started, to be ended in the opposite order. */
export class Running {
  private readonly ends: Array<{ what: string; end: () => unknown }> = [];

  constructor(private readonly log: Logger) {}

  add(what: string, end: () => unknown): void {
    this.ends.push({ what, end });
  }

  /**
   * The last that was started ends first: no request comes in when no worker is left, and Redis goes last. What hangs
   * is given up after `patience` milliseconds.
   */
  async close(patience: number): Promise<void> {
    await Promise.race([this.endAll(), delay(patience, undefined, { ref: false })]);
  }

  private async endAll(): Promise<void> {
    for (;;) {
      const last = this.ends.pop();
      if (last === undefined) return;
      try {
        await last.end();
      } catch (error) {
        this.log.warn({ what: last.what, error: (error as Error).message }, 'while stopping');
      }
    }
  }
}

/** The exit code of the first signal: 130 after SIGINT, 0 after SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const on = (code: number) => () => {
      if (asked) process.exit(code);
      asked = true;
      resolve(code);
    };
    process.on('SIGINT', on(130));
    process.on('SIGTERM', on(0));
  });
}
