import type { RequestCommand } from '#contracts/request';
import type { QueueKind, Route } from '#src/queue/names';

/** What became of a wish to cancel. */
export type CancelOutcome =
  /** It was waiting and is gone. */
  | 'cancelled'
  /** It runs and was told to stop; its result will say that it did. */
  | 'stopping'
  /** It had ended before. */
  | 'ended'
  | 'unknown';

/** One waiting or running job, for `/queue`. */
export interface OpenJob {
  id: string;
  command: RequestCommand;
  state: 'queued' | 'active';
  /** 1 is next; 0 runs. */
  position: number;
}

export interface QueueOverview {
  /** All packs and devices together. */
  queues: Record<QueueKind, { waiting: number; active: number }>;
  /** Open jobs of the conversation asked about, oldest first. */
  jobs: OpenJob[];
}

/** How busy one queue is. */
export interface QueueCount extends Route {
  name: string;
  waiting: number;
  active: number;
}
