import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { MEDIA_LIMITS } from '#inference/media/limits';

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

/** Names separated by commas. */
const names = text.transform((value) =>
  (value ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== ''),
);

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
  MUMU_ALLOWED_HOSTS: names,
  /** Lines on standard error; default: warnings. */
  MUMU_LOG: oneOf(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'warn'),
  /** 1: the log holds what people ask for, too. */
  MUMU_LOG_TEXTS: oneOf(['0', '1'], '0'),
  /** Pack that answers where a request names none. */
  MUMU_PACK: text.transform((value) => value ?? 'mini'),
  MUMU_DEVICE: oneOf(['auto', 'cpu', 'cuda', 'webgpu'], 'auto'),
  /** Threads of the engine; 0: as many as it finds right for the machine. */
  MUMU_THREADS: whole(0, 0, 1024),
  /** Largest file taken in, MiB. */
  MUMU_MAX_UPLOAD_MB: number(MEDIA_LIMITS.bytes / MEBIBYTE, 1, 1_000_000),
  /** Room for stored files, MiB. */
  MUMU_STORAGE_MB: number(4096, 1, 100_000_000),
  /** Stored files not used for this many days are removed; so are conversations. */
  MUMU_KEEP_DAYS: number(30, 1 / 24, 36_500),
  /** Jobs of one user that may wait or run at once. */
  MUMU_ACTIVE_JOBS: whole(4, 1, 1000),
  /** Jobs of one server or workspace that may wait or run at once. */
  MUMU_SERVER_ACTIVE_JOBS: whole(20, 1, 100_000),
  /** Jobs that one user may ask for within an hour. */
  MUMU_JOBS_PER_HOUR: whole(60, 1, 1_000_000),
  MUMU_SERVER_JOBS_PER_HOUR: whole(600, 1, 10_000_000),
  /** Seconds of new music that one user may ask for within a day. */
  MUMU_MUSIC_SECONDS_PER_DAY: whole(1800, 1, 10_000_000),
  MUMU_SERVER_MUSIC_SECONDS_PER_DAY: whole(36_000, 1, 100_000_000),
  /** Packs a worker serves besides MUMU_PACK, separated by commas. */
  MUMU_WORKER_PACKS: names,
  /** Discord: the bot's token; absent: no Discord. */
  DISCORD_TOKEN: text,
  /** Only for tests and proxies: where Discord's REST interface is. */
  MUMU_DISCORD_API: text,
  /** Slack: the bot's token (xoxb-); absent: no Slack. */
  SLACK_BOT_TOKEN: text,
  /** Slack: the app-level token (xapp-) for Socket Mode. */
  SLACK_APP_TOKEN: text,
  /** Slack: the signing secret, for HTTP instead of Socket Mode. */
  SLACK_SIGNING_SECRET: text,
  /** Port on which Slack's events are taken in HTTP mode. */
  MUMU_SLACK_PORT: whole(8030, 0, 65535),
  MUMU_SLACK_HOST: text.transform((value) => value ?? '127.0.0.1'),
  /** Only for tests and proxies: where Slack's Web API is. */
  MUMU_SLACK_API: text,
  /** Files in S3 instead of the data folder: name of the bucket. */
  S3_BUCKET: text,
  /** Address of an S3 server that is not Amazon's. */
  S3_ENDPOINT: text,
  S3_REGION: text.transform((value) => value ?? 'us-east-1'),
  /** First part of every object's name. */
  S3_PREFIX: text.transform((value) => value ?? 'mumu/'),
  S3_ACCESS_KEY_ID: text,
  S3_SECRET_ACCESS_KEY: text,
  /** Port for /metrics, /healthz, /board and shared files of `mumu bot`, `worker` and `all`; 0: off. */
  MUMU_OPS_PORT: whole(0, 0, 65535),
  MUMU_OPS_HOST: text.transform((value) => value ?? '127.0.0.1'),
  /** Turns on the queue's board at /board, under the user name "mumu". */
  MUMU_BOARD_PASSWORD: text,
  /** Public address of the operations port (https://...): files too large for a platform are linked there. */
  MUMU_PUBLIC_URL: text.refine((value) => value === undefined || /^https?:\/\//.test(value), {
    message: 'has to start with https:// or http://',
  }),
  /** Signs such links and seals what is kept of platforms' tokens; default: drawn and kept in the data folder. */
  MUMU_SECRET: text,
  /** JSON file with who may use what, word filters and the moderation hook. */
  MUMU_POLICY: text,
  /** Traces by OpenTelemetry to this address (OTLP over HTTP). */
  OTEL_EXPORTER_OTLP_ENDPOINT: text,
  /** How long a stop waits for running jobs before it puts them back on the queue, seconds. */
  MUMU_DRAIN_SECONDS: number(8, 0, 3600),
});

/** Every variable that is read. */
export const ENVIRONMENT: readonly string[] = Object.keys(environmentSchema.shape);

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
  /** Whether the log may hold what people ask for. */
  readonly logTexts: boolean;
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
    /** Of one server or workspace. */
    readonly serverActiveJobs: number;
    readonly jobsPerHour: number;
    readonly serverJobsPerHour: number;
    readonly musicSecondsPerDay: number;
    readonly serverMusicSecondsPerDay: number;
  };
  /** Packs served besides `pack`. */
  readonly workerPacks: readonly string[];
  readonly discord: { readonly token: string; readonly api: string | undefined } | undefined;
  readonly slack:
    | {
        readonly botToken: string;
        readonly appToken: string | undefined;
        readonly signingSecret: string | undefined;
        readonly port: number;
        readonly host: string;
        readonly api: string | undefined;
      }
    | undefined;
  readonly s3:
    | {
        readonly bucket: string;
        readonly endpoint: string | undefined;
        readonly region: string;
        readonly prefix: string;
        /** Absent: from the machine's role. */
        readonly credentials: { readonly id: string; readonly secret: string } | undefined;
      }
    | undefined;
  readonly ops: {
    readonly port: number;
    readonly host: string;
    readonly boardPassword: string | undefined;
    readonly publicUrl: string | undefined;
  };
  /** Signs links and seals tokens; absent: one of the data folder's. */
  readonly secret: string | undefined;
  /** Absolute path of the policy file. */
  readonly policyFile: string | undefined;
  readonly traces: string | undefined;
  /** Milliseconds. */
  readonly drainMilliseconds: number;
}

/**
 * Reads the settings.
 * @throws MumuError invalid_input naming the variable and what it has to be.
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = environmentSchema.safeParse(withSecretFiles(environment));
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
    logTexts: values.MUMU_LOG_TEXTS === '1',
    pack: values.MUMU_PACK,
    device: values.MUMU_DEVICE,
    threads: values.MUMU_THREADS === 0 ? undefined : values.MUMU_THREADS,
    limits: {
      uploadBytes: Math.round(values.MUMU_MAX_UPLOAD_MB * MEBIBYTE),
      storageBytes: Math.round(values.MUMU_STORAGE_MB * MEBIBYTE),
      keepMilliseconds: values.MUMU_KEEP_DAYS * 24 * 3600 * 1000,
      activeJobs: values.MUMU_ACTIVE_JOBS,
      serverActiveJobs: values.MUMU_SERVER_ACTIVE_JOBS,
      jobsPerHour: values.MUMU_JOBS_PER_HOUR,
      serverJobsPerHour: values.MUMU_SERVER_JOBS_PER_HOUR,
      musicSecondsPerDay: values.MUMU_MUSIC_SECONDS_PER_DAY,
      serverMusicSecondsPerDay: values.MUMU_SERVER_MUSIC_SECONDS_PER_DAY,
    },
    workerPacks: values.MUMU_WORKER_PACKS,
    discord:
      values.DISCORD_TOKEN === undefined
        ? undefined
        : { token: values.DISCORD_TOKEN, api: values.MUMU_DISCORD_API },
    slack:
      values.SLACK_BOT_TOKEN === undefined
        ? undefined
        : {
            botToken: values.SLACK_BOT_TOKEN,
            appToken: values.SLACK_APP_TOKEN,
            signingSecret: values.SLACK_SIGNING_SECRET,
            port: values.MUMU_SLACK_PORT,
            host: values.MUMU_SLACK_HOST,
            api: values.MUMU_SLACK_API,
          },
    s3:
      values.S3_BUCKET === undefined
        ? undefined
        : {
            bucket: values.S3_BUCKET,
            endpoint: values.S3_ENDPOINT,
            region: values.S3_REGION,
            prefix: values.S3_PREFIX,
            credentials:
              values.S3_ACCESS_KEY_ID === undefined || values.S3_SECRET_ACCESS_KEY === undefined
                ? undefined
                : { id: values.S3_ACCESS_KEY_ID, secret: values.S3_SECRET_ACCESS_KEY },
          },
    ops: {
      port: values.MUMU_OPS_PORT,
      host: values.MUMU_OPS_HOST,
      boardPassword: values.MUMU_BOARD_PASSWORD,
      publicUrl: values.MUMU_PUBLIC_URL?.replace(/\/+$/, ''),
    },
    secret: values.MUMU_SECRET,
    policyFile: values.MUMU_POLICY === undefined ? undefined : resolve(values.MUMU_POLICY),
    traces: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    drainMilliseconds: values.MUMU_DRAIN_SECONDS * 1000,
  };
}

/** What may come from a file, as container platforms hand secrets over: `DISCORD_TOKEN_FILE` for `DISCORD_TOKEN`. */
const SECRETS = [
  'REDIS_URL',
  'DISCORD_TOKEN',
  'SLACK_BOT_TOKEN',
  'SLACK_APP_TOKEN',
  'SLACK_SIGNING_SECRET',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'MUMU_BOARD_PASSWORD',
  'MUMU_SECRET',
] as const;

function withSecretFiles(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const result = { ...environment };
  for (const name of SECRETS) {
    const file = environment[`${name}_FILE`];
    if (file === undefined || file === '') continue;
    try {
      result[name] = readFileSync(file, 'utf8').trim();
    } catch (cause) {
      throw new MumuError('invalid_input', `The file named by ${name}_FILE cannot be read.`, { cause });
    }
  }
  return result;
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
