import { z } from 'zod';
import { failureSchema } from '#contracts/errors';
import { progressSchema } from '#contracts/progress';
import { MEDIA_KINDS, requestSchema } from '#contracts/request';
import { countsSchema, planStepSchema, timingsSchema } from '#contracts/result';

/**
 * Messages between a worker and the engine's own process (Node's IPC channel, JSON). Files cross as paths of
 * this machine's working folder: the worker fetches them from storage before and stores what comes out after.
 */
export const engineFileSchema = z.object({
  path: z.string(),
  /** Content hash: the key under which encoder features are cached. */
  key: z.string(),
  kind: z.enum(MEDIA_KINDS),
  name: z.string(),
});
export type EngineFile = z.infer<typeof engineFileSchema>;

export const engineJobSchema = z.object({
  request: requestSchema,
  files: z.array(engineFileSchema),
  /** Folder that exists and is the job's own; outputs are written there. */
  workFolder: z.string(),
  seed: z.number().int(),
});
export type EngineJob = z.infer<typeof engineJobSchema>;

export const engineOutputSchema = z.object({
  path: z.string(),
  name: z.string(),
  mime: z.string(),
  seconds: z.number().optional(),
  peaks: z.array(z.number()).optional(),
});
export type EngineOutput = z.infer<typeof engineOutputSchema>;

export const engineResultSchema = z.object({
  text: z.string(),
  files: z.array(engineOutputSchema),
  pack: z.string(),
  timings: timingsSchema,
  counts: countsSchema.optional(),
  notes: z.array(z.string()),
  plan: z.array(planStepSchema).optional(),
  caption: z.string().optional(),
});
export type EngineResult = z.infer<typeof engineResultSchema>;

export const toEngineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), job: engineJobSchema }),
  z.object({ type: z.literal('cancel'), id: z.string() }),
  z.object({ type: z.literal('stop') }),
]);
export type ToEngine = z.infer<typeof toEngineSchema>;

export const fromEngineSchema = z.discriminatedUnion('type', [
  /** Sessions are loaded: jobs may come. */
  z.object({ type: z.literal('ready'), pack: z.string(), device: z.string(), why: z.string() }),
  z.object({ type: z.literal('progress'), id: z.string(), progress: progressSchema }),
  z.object({ type: z.literal('result'), id: z.string(), result: engineResultSchema }),
  z.object({ type: z.literal('error'), id: z.string(), error: failureSchema }),
  /** The engine could not start: wrong pack, missing files. The process ends after this. */
  z.object({ type: z.literal('fatal'), error: failureSchema }),
]);
export type FromEngine = z.infer<typeof fromEngineSchema>;
