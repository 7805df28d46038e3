import { z } from 'zod';

/** What the engine is doing, in the order in which a request meets them. */
export const STAGES = ['decode', 'encode', 'language', 'music', 'remix', 'finish'] as const;
export type Stage = (typeof STAGES)[number];

/** What a running job says of itself. */
export const progressSchema = z.discriminatedUnion('type', [
  /** Waiting: `position` 1 is next. */
  z.object({ type: z.literal('queued'), position: z.number().int().nonnegative() }),
  /** A stage and how much of it is done, 0 to 1. */
  z.object({ type: z.literal('stage'), stage: z.enum(STAGES), fraction: z.number().min(0).max(1) }),
  /** Text so far: the whole of it, so that a lost event loses nothing. */
  z.object({ type: z.literal('text'), text: z.string() }),
  /** Something the user should know: "only the first 10 minutes were listened to". */
  z.object({ type: z.literal('note'), text: z.string() }),
]);
export type Progress = z.infer<typeof progressSchema>;
