import { z } from 'zod';
import { failureSchema } from '#contracts/errors';

/** A file that came out. In transit between worker and adapters it is named by its storage key. */
export const resultFileSchema = z.object({
  key: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  mime: z.string(),
  bytes: z.number().int().nonnegative(),
  /** Duration in seconds, for sound and clips. */
  seconds: z.number().nonnegative().optional(),
  /** Peaks for a waveform drawing: at most 400 values from 0 to 1, evenly spaced in time. */
  peaks: z.array(z.number().min(0).max(1)).max(400).optional(),
});
export type ResultFile = z.infer<typeof resultFileSchema>;

/** Milliseconds by stage. */
export const timingsSchema = z.object({
  decode: z.number().nonnegative(),
  encode: z.number().nonnegative(),
  language: z.number().nonnegative(),
  music: z.number().nonnegative(),
  total: z.number().nonnegative(),
});
export type Timings = z.infer<typeof timingsSchema>;

/** How much was made, for the operator's figures. */
export const countsSchema = z.object({
  /** Tokens that the language model wrote. */
  tokens: z.number().int().nonnegative(),
  /** Seconds of new music. */
  musicSeconds: z.number().nonnegative(),
});
export type Counts = z.infer<typeof countsSchema>;

/** One step of a remix's edit plan, as it is shown with the result. */
export const planStepSchema = z.object({
  /** Name of the operation: tempo, pitch, trim, ... */
  operation: z.string(),
  /** In words: "tempo x 0.80 (20 % slower)". */
  description: z.string(),
  /** `exact`: done on the user's own audio; `model`: new material. */
  by: z.enum(['exact', 'model']),
});
export type PlanStep = z.infer<typeof planStepSchema>;

/** What a request ends in. */
export const resultSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('done'),
    id: z.string(),
    text: z.string(),
    files: z.array(resultFileSchema),
    seed: z.number().int(),
    pack: z.string(),
    timings: timingsSchema,
    counts: countsSchema.optional(),
    notes: z.array(z.string()),
    plan: z.array(planStepSchema).optional(),
    /** What the music decoder was told, if new music was made. */
    caption: z.string().optional(),
  }),
  z.object({ status: z.literal('failed'), id: z.string(), error: failureSchema }),
]);
export type Result = z.infer<typeof resultSchema>;
export type DoneResult = Extract<Result, { status: 'done' }>;
