import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';

const MEBIBYTE = 1024 * 1024;

/** An unset variable and an empty one both mean "off" or "the default". */
const text = z
  .string()
  .trim()
  .optional()
  .transform((value) => (value === '' ? undefined : value));

const number = (fallback: number, minimum: number, maximum: number) =>
  text.transform((value, context) => {
    if (value === undefined) return fallback;
    const parsed = Number(value);
    if (!Number.isFinite(parsed) || parsed < minimum || parsed > maximum) {
      context.addIssue({ code: 'custom', message: `has to be a number from ${minimum} to ${maximum}` });
      return z.NEVER;
    }
    return parsed;
  });

const whole = (fallback: number, minimum: number, maximum: number) =>
  number(fallback, minimum, maximum).refine(Number.isInteger, { message: 'has to be a whole number' });

const oneOf = <const Choice extends string>(choices: readonly Choice[], fallback: Choice) =>
  text.transform((value, context) => {
    const chosen = choices.find((choice) => choice === (value ?? fallback));
    if (chosen !== undefined) return chosen;
    context.addIssue({ code: 'custom', message: `has to be one of ${choices.join(', ')}` });
    return z.NEVER;
  });

/** Every variable with its default and unit; nothing else in the program reads the environment. */
const environmentSchema = z.object({
  /** Redis to use; absent: the app starts a private one of its own. */
  REDIS_URL: text.refine((value) => value === undefined || /^rediss?:\/\/|^unix:\/\//.test(value), {
    message: 'has to start with redis://, rediss:// or unix://',
  }),
  /** First part of every key in Redis. */
  MUMU_REDIS_PREFIX: text.transform((value) => value ?? 'mumu'),
  /** Folder of packs, files, caches and the private Redis; default: `data` beside package.json. */
  MUMU_DATA: text,
  /** Port of the local page; 0 takes a free one. */
  MUMU_PORT: whole(8020, 0, 65535),
  /** Address the local page listens on. */
  MUMU_HOST: text.transform((value) => value ?? '127.0.0.1'),
  /** Further host names the page may be called by, separated by commas. */
  MUMU_ALLOWED_HOSTS: text.transform((value) =>
    (value ?? '')
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== ''),
  ),
  /** Lines on standard error; default: warnings. */
  MUMU_LOG: oneOf(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'warn'),
  /** Pack that answers where a request names none. */
  MUMU_PACK: text.transform((value) => value ?? 'mini'),
  MUMU_DEVICE: oneOf(['auto', 'cpu', 'cuda', 'webgpu'], 'auto'),
  /** Threads of the engine; 0: as many as it finds right for the machine. */
  MUMU_THREADS: whole(0, 0, 1024),
  /** Largest file taken in, MiB. */
  MUMU_MAX_UPLOAD_MB: number(200, 1, 1_000_000),
  /** Room for stored files, MiB. */
  MUMU_STORAGE_MB: number(4096, 1, 100_000_000),
  /** Stored files not used for this many days are removed; so are conversations. */
  MUMU_KEEP_DAYS: number(30, 1 / 24, 36_500),
  /** Jobs of one user that may wait or run at once. */
  MUMU_ACTIVE_JOBS: whole(4, 1, 1000),
  /** How long a stop waits for running jobs before it puts them back on the queue, seconds. */
  MUMU_DRAIN_SECONDS: number(8, 0, 3600),
});

/** The settings of this process: parsed once at its start and handed down. */
export interface Config {
  readonly redisUrl: string | undefined;
  readonly redisPrefix: string;
  /** Absolute path. */
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly logLevel: string;
  readonly pack: string;
  readonly device: 'auto' | 'cpu' | 'cuda' | 'webgpu';
  readonly threads: number | undefined;
  readonly limits: {
    /** Bytes of one uploaded file. */
    readonly uploadBytes: number;
    /** Bytes of all stored files. */
    readonly storageBytes: number;
    /** Milliseconds after which unused files and conversations go. */
    readonly keepMilliseconds: number;
    /** Waiting and running jobs of one user. */
    readonly activeJobs: number;
  };
  /** Milliseconds. */
  readonly drainMilliseconds: number;
}

/**
 * Reads the settings.
 * @throws MumuError invalid_input naming the variable and what it has to be.
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new MumuError(
      'invalid_input',
      `The environment variable ${String(issue?.path[0])} ${issue?.message ?? 'cannot be read'}.`,
    );
  }
  const values = parsed.data;
  return {
    redisUrl: values.REDIS_URL,
    redisPrefix: values.MUMU_REDIS_PREFIX,
    dataFolder: resolve(values.MUMU_DATA ?? join(repositoryFolder(), 'data')),
    host: values.MUMU_HOST,
    port: values.MUMU_PORT,
    allowedHosts: values.MUMU_ALLOWED_HOSTS,
    logLevel: values.MUMU_LOG,
    pack: values.MUMU_PACK,
    device: values.MUMU_DEVICE,
    threads: values.MUMU_THREADS === 0 ? undefined : values.MUMU_THREADS,
    limits: {
      uploadBytes: Math.round(values.MUMU_MAX_UPLOAD_MB * MEBIBYTE),
      storageBytes: Math.round(values.MUMU_STORAGE_MB * MEBIBYTE),
      keepMilliseconds: values.MUMU_KEEP_DAYS * 24 * 3600 * 1000,
      activeJobs: values.MUMU_ACTIVE_JOBS,
    },
    drainMilliseconds: values.MUMU_DRAIN_SECONDS * 1000,
  };
}

/** The folder package.json lies in, found upwards from this file: the same from the sources and from `dist`. */
export function repositoryFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) {
      throw new MumuError('missing_dependency', 'package.json of mumu was not found: install it anew.');
    }
    folder = above;
  }
  return folder;
}
