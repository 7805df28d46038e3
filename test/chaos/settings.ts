import { z } from 'zod';

/** What the harness tells the processes it starts, as one JSON argument. */
export const settingsSchema = z.object({
  redisUrl: z.string(),
  /** Of this process alone. */
  dataFolder: z.string(),
  /** The same for all: storage that machines would share, unless they share S3. */
  storageFolder: z.string(),
  /** Settings of S3 as environment variables; absent: the storage folder. */
  s3: z.record(z.string(), z.string()).optional(),
  /** Where the platform listens. */
  platformUrl: z.string(),
  /** How soon the dead are given up, milliseconds. */
  patience: z.number(),
  log: z.string(),
});
export type Settings = z.infer<typeof settingsSchema>;

export const KEEP = 3600_000;
/** More than chaos asks for: what is refused cannot be lost. */
export const LIMITS = {
  activeJobs: 10_000,
  serverActiveJobs: 100_000,
  jobsPerHour: 1_000_000,
  serverJobsPerHour: 1_000_000,
  musicSecondsPerDay: 10_000_000,
  serverMusicSecondsPerDay: 10_000_000,
};

export function readSettings(): Settings {
  return settingsSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
}
