import type { ErrorCode } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { DoneResult } from '#contracts/result';

/** How one try of a job came out. */
export type JobOutcome =
  | { status: 'done'; result: DoneResult }
  | {
      status: 'failed';
      code: ErrorCode;
      /** It will be tried once more. */
      again: boolean;
      /** It ended its workers and is kept for the operator. */
      setAside: boolean;
    }
  /** The worker stopped in an orderly way and put it back on its queue. */
  | { status: 'put-back' };

/** Told of what a worker does, for figures; must not throw. */
export interface JobObserver {
  /** `waitMilliseconds`: since it was queued. `attempt`: 1 for the first time a worker took it. */
  started?(request: Request, how: { pack: string; waitMilliseconds: number; attempt: number }): void;
  /** `milliseconds`: since it was started. */
  ended?(request: Request, outcome: JobOutcome, how: { pack: string; milliseconds: number }): void;
}
