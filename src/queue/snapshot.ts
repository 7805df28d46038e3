import { z } from 'zod';
import { type Failure, failureSchema, MumuError } from '#contracts/errors';
import { type Progress, STAGES } from '#contracts/progress';
import type { DoneResult, Result } from '#contracts/result';

/** All that a running job has said so far, kept with the job: a page that was reloaded shows it again. */
export const snapshotSchema = z.object({
  stage: z.object({ stage: z.enum(STAGES), fraction: z.number() }).optional(),
  text: z.string().optional(),
  notes: z.array(z.string()).default([]),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const EMPTY_SNAPSHOT: Snapshot = { notes: [] };

/** The state after one more thing was said. A position is not the worker's to tell and changes nothing. */
export function advance(snapshot: Snapshot, progress: Progress): Snapshot {
  switch (progress.type) {
    case 'queued':
      return snapshot;
    case 'stage':
      return { ...snapshot, stage: { stage: progress.stage, fraction: progress.fraction } };
    case 'text':
      return { ...snapshot, text: progress.text };
    case 'note':
      return snapshot.notes.includes(progress.text)
        ? snapshot
        : { ...snapshot, notes: [...snapshot.notes, progress.text] };
  }
}

/** Where a job stands. */
export type JobView =
  /** `position` 1 is next. */
  | { state: 'queued'; position: number }
  | { state: 'active'; snapshot: Snapshot }
  | { state: 'ended'; result: Result };

/** What a listener is told: progress, then one result, which is the last. */
export type JobEvent = Progress | { type: 'result'; result: Result };

/** Turns successive views into the events that lead from one to the next, so that nothing is told twice. */
export class EventDiffer {
  private position: number | undefined;
  private shown: Snapshot = EMPTY_SNAPSHOT;
  /** A job that is taken up again starts to tell from the beginning. */
  private readonly notes = new Set<string>();
  private ended = false;

  next(view: JobView): JobEvent[] {
    if (this.ended) return [];
    switch (view.state) {
      case 'queued':
        return this.queued(view.position);
      case 'active':
        return [...this.queued(0), ...this.advanced(view.snapshot)];
      case 'ended':
        this.ended = true;
        return [{ type: 'result', result: view.result }];
    }
  }

  /** Position 0 says that a worker has taken the job. */
  private queued(position: number): JobEvent[] {
    if (this.position === position) return [];
    this.position = position;
    return [{ type: 'queued', position }];
  }

  private advanced(now: Snapshot): JobEvent[] {
    const before = this.shown;
    const events: JobEvent[] = [];
    for (const text of now.notes) {
      if (!this.notes.has(text)) events.push({ type: 'note', text });
      this.notes.add(text);
    }
    if (
      now.stage !== undefined &&
      (now.stage.stage !== before.stage?.stage || now.stage.fraction !== before.stage.fraction)
    ) {
      events.push({ type: 'stage', ...now.stage });
    }
    if (now.text !== undefined && now.text !== before.text) events.push({ type: 'text', text: now.text });
    this.shown = now;
    return events;
  }
}

/** A failure crosses BullMQ as its reason, a string. */
export function encodeFailure(failure: Failure): string {
  return JSON.stringify(failure);
}

/** Reads a reason back; one that BullMQ wrote itself means that the job was lost between workers. */
export function decodeFailure(reason: string | undefined): Failure {
  try {
    return failureSchema.parse(JSON.parse(reason ?? ''));
  } catch {
    return new MumuError(
      'engine_lost',
      'The engine stopped in the middle of this job: try again.',
    ).toFailure();
  }
}

export function failedResult(id: string, failure: Failure): Result {
  return { status: 'failed', id, error: failure };
}

export const CANCELLED: Failure = { code: 'cancelled', message: 'The job was cancelled.' };

/** The track a result leaves behind for the next message: its last sound or clip. */
export function lastTrackOf(result: DoneResult): DoneResult['files'][number] | undefined {
  return result.files.findLast((file) => /^(audio|video)\//.test(file.mime));
}
