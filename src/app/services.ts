import type { Answers } from '#src/chat/answers';
import type { Courier, Messenger } from '#src/chat/delivery/types';
import type { Intake } from '#src/chat/intake';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import type { Policy } from '#src/policy/policy';
import type { JobQueue } from '#src/queue/job-queue';
import type { RedisAccess } from '#src/redis/access';
import type { Forget } from '#src/settings/forget';
import type { Settings } from '#src/settings/settings';
import type { Storage } from '#src/storage/storage';

/** Makes addresses under which a stored file can be fetched from outside, for a day. */
export interface FileLinks {
  /** Undefined where the operator gave no public address. */
  link(file: { key: string; name: string; mime: string }): string | undefined;
}

/** What chat adapters are given to work with. */
export interface Services {
  config: Config;
  redis: RedisAccess;
  queue: JobQueue;
  storage: Storage;
  intake: Intake;
  policy: Policy;
  /** `/help`, `/queue`, `/cancel` and `/settings`, answered at once. */
  answers: Answers;
  /** What people set for all of their requests. */
  settings: Settings;
  /** Deletes what somebody gave. */
  forget: Forget;
  links: FileLinks;
  log: Logger;
  /** Starts the courier of one platform. */
  courier(messenger: Messenger): Promise<Courier>;
}

/** A running adapter. */
export interface RunningAdapter {
  readonly platform: string;
  /** Whether the platform's connection stands. */
  readonly connected: boolean;
  close(): Promise<void>;
}
