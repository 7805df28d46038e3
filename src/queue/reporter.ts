import type { Job } from 'bullmq';
import type { Progress } from '#contracts/progress';
import type { DoneResult } from '#contracts/result';
import type { Logger } from '#src/log';
import { advance, EMPTY_SNAPSHOT, type Snapshot } from '#src/queue/snapshot';

/** Shortest time between two writes of one job's progress, milliseconds: quick to the eye, light on Redis. */
const INTERVAL = 100;

/** Gathers what a running job says and writes the whole of it to the job now and then, one write at a time. */
export class ProgressReporter {
  private snapshot: Snapshot = EMPTY_SNAPSHOT;
  private dirty = false;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly job: Job<unknown, DoneResult, string, Snapshot>,
    private readonly log: Logger,
  ) {}

  report(progress: Progress): void {
    const next = advance(this.snapshot, progress);
    if (next === this.snapshot) return;
    this.snapshot = next;
    this.dirty = true;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.write();
    }, INTERVAL);
  }

  /** Writes what is still unsaid. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.write();
    await this.writing;
  }

  private write(): void {
    if (!this.dirty) return;
    this.dirty = false;
    const snapshot = this.snapshot;
    this.writing = this.writing
      .then(() => this.job.updateProgress(snapshot))
      // Progress is a courtesy: a job does not fail for it.
      .catch((error: Error) => this.log.warn({ error: error.message }, 'could not write progress'));
  }
}
