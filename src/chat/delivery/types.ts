import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Failure } from '#contracts/errors';
import type { Stage } from '#contracts/progress';
import { optionsSchema, type Request } from '#contracts/request';
import type { DoneResult } from '#contracts/result';
import type { CancelOutcome } from '#src/queue/job-queue';

export const PLATFORMS = ['discord', 'slack'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** A file as a platform announced it; its content has not been seen. */
export const remoteFileSchema = z.object({
  name: z.string(),
  /** As the platform says; not to be trusted. */
  mime: z.string().optional(),
  bytes: z.number().optional(),
  /** How the adapter finds it again: a signed address (Discord) or a file id (Slack). */
  reference: z.string(),
});
export type RemoteFile = z.infer<typeof remoteFileSchema>;

/** What somebody wants, before their files were fetched. */
export const intentSchema = z.discriminatedUnion('type', [
  /** A slash command or form whose parts the platform delivers apart. */
  z.object({
    type: z.literal('command'),
    command: z.enum(['ask', 'describe', 'generate', 'remix']),
    text: z.string(),
    options: optionsSchema,
    action: z.enum(['new', 'vary', 'extend']).default('new'),
  }),
  /** Words of a message, read by `parseCommandLine` once it is known what the files are. */
  z.object({ type: z.literal('line'), text: z.string() }),
  /** A button under the result of an earlier request. `text` is the instruction of a remix. */
  z.object({
    type: z.literal('button'),
    button: z.enum(['again', 'vary', 'extend', 'remix']),
    of: z.string(),
    text: z.string().optional(),
  }),
]);
export type Intent = z.infer<typeof intentSchema>;

/** Something that was asked on a platform, as an adapter hands it over. */
export const receiptSchema = z.object({
  /** Request id, from the platform's interaction or event id: the same event twice is one job. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  platform: z.enum(PLATFORMS),
  /** `discord:USER` or `slack:TEAM:USER`. */
  user: z.string().max(128),
  server: z.string().max(128).optional(),
  channel: z.string().max(128).optional(),
  roles: z.array(z.string()).default([]),
  conversation: z.string().max(128),
  /** BCP 47 tag of the person's language, as the platform says. */
  locale: z.string().optional(),
  intent: intentSchema,
  /** Where the answer goes: the adapter's own ids, no secrets. */
  address: z.record(z.string(), z.unknown()),
});
export type Receipt = z.infer<typeof receiptSchema>;

/** What must not lie in Redis in clear text: kept sealed, and only as long as the platform honours it. */
export interface Secrets {
  files: RemoteFile[];
  /** Token of a Discord interaction. */
  token?: string;
}

/** A receipt on its way to its answer, as it lies in Redis. */
export interface Delivery extends Receipt {
  /** Milliseconds since 1970. */
  receivedAt: number;
  /** `received`: not on a queue yet; `queued`: its job is the queue's; `closed`: its answer was posted. */
  state: 'received' | 'queued' | 'closed';
  /** What the adapter noted while posting, so that a crash in the middle posts nothing twice. */
  posted: Record<string, unknown>;
  /** How many files were announced with it. */
  fileCount: number;
  /** What was put on the queue, once it was. */
  request?: Request;
}

/** What there is to show of a request at one moment. */
export type StatusView =
  | { state: 'fetching' }
  /** The queue is away; what was asked is kept and tried again. */
  | { state: 'moment' }
  /** Position 1 is next. `again`: its worker was lost in the middle, and it waits for another. */
  | { state: 'queued'; position: number; again?: boolean }
  | {
      state: 'active';
      /** Its worker was lost in the middle, and it was taken up again. */
      again?: boolean;
      stage?: Stage;
      /** Of the stage, 0 to 1. */
      fraction?: number;
      /** The answer so far. */
      text?: string;
      notes: readonly string[];
    }
  | FinalView;

/** The last thing there is to show. */
export type FinalView =
  | { state: 'done'; request: Request; result: DoneResult }
  | { state: 'failed'; error: Failure }
  /** Answered without a job: help, queue, cancel, settings. */
  | { state: 'told'; text: string };

/**
 * An adapter's side: how a platform shows things and hands out files. Every call has to come back: a platform's client
 * is given a time limit.
 */
export interface Messenger {
  readonly platform: Platform;
  /** Shortest time between two calls of `show` for one delivery, milliseconds. */
  readonly interval: number;
  /** How long the platform honours what `Secrets` holds, milliseconds: as long they are kept, sealed. */
  readonly secretsMilliseconds: number;
  /**
   * Shows how far a request is, by editing its one status message. May throw: the next one will come.
   * `secrets` is what the receipt came with, as long as it is kept.
   */
  show(delivery: Delivery, view: StatusView, secrets: Secrets | undefined): Promise<void>;
  /**
   * Shows the end. Called again after a crash, or after it threw something that may pass: it has to come to one
   * message only. What `note` was given is in `delivery.posted` from then on; it resolves once that is written down.
   * A MumuError `not_found`, `not_allowed`, `cannot_do` or `refused` says that it will never work (the channel is
   * gone): it is given up. Everything else is tried again, for a day: also what the operator has to mend first.
   * `attempt` is how often this process has tried before: a file of the result that cannot be made ready is told
   * instead of thrown from the FILE_TRIESth on.
   */
  finish(
    delivery: Delivery,
    view: FinalView,
    secrets: Secrets | undefined,
    note: (posted: Record<string, unknown>) => Promise<void>,
    attempt: number,
  ): Promise<void>;
  /**
   * Opens a file for reading, from the platform's own hosts only.
   * @throws MumuError not_found, too_large, unsupported_media (a web page instead of a file), unavailable
   */
  openFile(file: RemoteFile, delivery: Delivery, signal: AbortSignal): Promise<Readable>;
}

/** What adapters call. */
export interface Courier {
  /**
   * Takes something over: writes it down, and from then on fetches, queues, follows, shows and finishes it, also
   * after a crash of this process. Resolves once it is written down, before any file is fetched; where Redis does not
   * answer, after two seconds: it is then kept in memory, shown as `moment`, and written down as soon as that works.
   * @returns false if this id was taken over before (an event delivered twice).
   */
  receive(receipt: Receipt, secrets: Secrets): Promise<boolean>;
  /**
   * Stops a request wherever it is: while its files are fetched, on the queue, or in a worker.
   * @param user who wants it: only the one who asked may.
   * @throws MumuError not_allowed, unavailable
   */
  cancel(id: string, user: string): Promise<CancelOutcome>;
  /**
   * The request and result a button belongs to; undefined if it is no longer remembered.
   * @throws MumuError unavailable
   */
  lookUp(id: string): Promise<{ delivery: Delivery; request: Request; result?: DoneResult } | undefined>;
  /** Stops following; what is open is taken up by the next process. */
  close(): Promise<void>;
}
