import { isDeepStrictEqual } from 'node:util';
import type { StatusView } from '#src/chat/delivery/types';

/** What ends within this time is shown by its end alone, milliseconds. */
const FIRST = 250;

/**
 * Shows the newest of many views, one call at a time and never more often than the platform likes. What it is told
 * while a call is under way or too soon after one waits, and only the last of it is shown.
 */
export class Display {
  private wanted: StatusView | undefined;
  private shown: StatusView | undefined;
  private showing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private earliest: number;
  private ended = false;

  constructor(
    private readonly options: {
      /** Shortest time from the end of one call to the next, milliseconds. */
      interval: number;
      /** Must not throw: a view that could not be shown is made up for by the next. */
      show(view: StatusView): Promise<void>;
    },
  ) {
    this.earliest = Date.now() + FIRST;
  }

  set(view: StatusView): void {
    this.wanted = view;
    this.plan();
  }

  /** Shows nothing more; resolves once a call under way has come back. */
  async end(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.showing;
  }

  private plan(): void {
    if (this.ended || this.showing !== undefined || this.timer !== undefined) return;
    if (this.wanted === undefined || isDeepStrictEqual(this.wanted, this.shown)) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.showing = this.showLatest().finally(() => {
          this.showing = undefined;
          this.plan();
        });
      },
      Math.max(0, this.earliest - Date.now()),
    );
  }

  private async showLatest(): Promise<void> {
    const view = this.wanted;
    if (view === undefined) return;
    this.shown = view;
    await this.options.show(view);
    this.earliest = Date.now() + this.options.interval;
  }
}
