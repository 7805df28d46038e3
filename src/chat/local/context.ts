import { z } from 'zod';
import { type Failure, MumuError } from '#contracts/errors';
import type { Answers } from '#src/chat/answers';
import type { Intake } from '#src/chat/intake';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import type { Policy } from '#src/policy/policy';
import type { JobQueue } from '#src/queue/job-queue';
import type { Forget } from '#src/settings/forget';
import type { Settings } from '#src/settings/settings';
import type { Storage } from '#src/storage/storage';

/** Whether requests can be answered. */
export type EngineState =
  | { state: 'starting' }
  | { state: 'ready'; pack: string; device: string }
  | { state: 'failed'; error: Failure };

/** What the routes of the local page work with. */
export interface ServerContext {
  config: Config;
  queue: JobQueue;
  storage: Storage;
  intake: Intake;
  policy: Policy;
  answers: Answers;
  settings: Settings;
  forget: Forget;
  engineState(): EngineState;
  /** Built page; without it only the interface answers. */
  pageFolder: string;
  /** Examples to try: `examples.json` and the files it names. */
  examplesFolder: string;
  log: Logger;
}

/** Files of one request. */
export const MAX_FILES = 10;

/** Conversations are named by the page with 128 random bits: who knows the name may read it. */
export const conversationSchema = z
  .string({ error: 'The conversation is missing.' })
  .regex(/^[A-Za-z0-9_-]{22,64}$/, {
    error: 'A conversation is named by 22 to 64 letters, digits, dashes and underscores.',
  });

export const requestIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'That is no id of a request.' });

/**
 * What the page calls a request: 128 random bits. Just so long, because all requests share one space of ids and those
 * of chat platforms, which can be guessed, are shorter or longer: nobody takes one of theirs before they do.
 */
export const drawnIdSchema = z.string().regex(/^[A-Za-z0-9_-]{22}$/, {
  error: 'A request is named by 22 letters, digits, dashes and underscores.',
});

/**
 * Whoever knows a request's id may follow and stop it: the page draws ids that nobody guesses. Those of chat
 * platforms are counted up, and none of the page's business.
 * @throws MumuError not_found
 */
export async function requirePageRequest({ queue }: Pick<ServerContext, 'queue'>, id: string): Promise<void> {
  const conversation = await queue.conversations.conversationOf(id);
  if (conversationSchema.safeParse(conversation).success) return;
  throw new MumuError('not_found', 'There is no such request.');
}
