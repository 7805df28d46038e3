import { z } from 'zod';

/**
 * Every failure a user can meet has a stable code. The code decides three things in one place: the exit code of
 * the command line, the HTTP status of the page's interface, and whether the queue may try the job again.
 */
export const ERROR_CODES = {
  /** What was given is wrong: the user can mend it. */
  invalid_input: { exit: 2, http: 400, retry: false },
  /** A file is too large, too long or has too many pixels. */
  too_large: { exit: 2, http: 413, retry: false },
  /** A file is no audio, picture or clip that can be read. */
  unsupported_media: { exit: 2, http: 415, retry: false },
  /** A file, job or pack that was named does not exist. */
  not_found: { exit: 2, http: 404, retry: false },
  /** An instruction was understood to ask for something this program cannot do. */
  cannot_do: { exit: 2, http: 422, retry: false },
  /** Too many jobs of this user are under way. */
  limit_reached: { exit: 2, http: 429, retry: false },
  /** The operator's settings do not let this person do this here. */
  not_allowed: { exit: 2, http: 403, retry: false },
  /** The operator's word filter or moderation refuses the words or what came of them. */
  refused: { exit: 2, http: 422, retry: false },
  /** Something is missing on this machine: ffmpeg, redis-server, a pack, disk space. */
  missing_dependency: { exit: 3, http: 503, retry: false },
  /** A pack's files do not match their checksums or cannot be loaded. */
  damaged_pack: { exit: 3, http: 503, retry: false },
  /** The disk has no room left. */
  disk_full: { exit: 3, http: 507, retry: false },
  /** The queue (Redis) or a store is away for the moment: the same may be tried again soon. */
  unavailable: { exit: 3, http: 503, retry: false },
  /** The user or the operator stopped the job. */
  cancelled: { exit: 130, http: 409, retry: false },
  /** The engine's process died under the job; another try may succeed. */
  engine_lost: { exit: 1, http: 500, retry: true },
  /** The job ended its worker twice and is kept aside for the operator to look at. */
  set_aside: { exit: 1, http: 500, retry: false },
  /** Ours: a bug or an unforeseen state. */
  internal: { exit: 1, http: 500, retry: false },
} as const satisfies Record<string, { exit: number; http: number; retry: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export const errorCodeSchema = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);

/** What crosses a process boundary of an error: never a stack, never a path. */
export const failureSchema = z.object({ code: errorCodeSchema, message: z.string() });
export type Failure = z.infer<typeof failureSchema>;

/** An error meant for a person: `message` is one plain sentence that names what was wrong and what to do. */
export class MumuError extends Error {
  override readonly name = 'MumuError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  /** Exit code of the command line (0 done, 1 ours, 2 input, 3 machine, 130 interrupted). */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  get httpStatus(): number {
    return ERROR_CODES[this.code].http;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retry;
  }

  toFailure(): Failure {
    return { code: this.code, message: this.message };
  }
}

/** Brings anything that was thrown into our shape; unknown errors become `internal` without leaking their text. */
export function toMumuError(error: unknown): MumuError {
  if (error instanceof MumuError) return error;
  if (error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new MumuError('disk_full', 'The disk is full: free some space and try again.', { cause: error });
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new MumuError('cancelled', 'The job was cancelled.', { cause: error });
  }
  return new MumuError('internal', 'Something went wrong on our side; the log has the details.', {
    cause: error,
  });
}
