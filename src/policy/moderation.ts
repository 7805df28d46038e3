import { z } from 'zod';
import { askAddress } from '#src/policy/ask-address';
import { askProgram } from '#src/policy/ask-program';
import type { ModerationSettings } from '#src/policy/file';

/** What a moderation service is told, as JSON. */
export interface ModerationQuestion {
  kind: 'prompt' | 'answer';
  text: string;
  /** A pseudonym: the same for the same person, and nothing can be read from it. */
  user: string;
  server?: string;
}

/** What it says. */
const verdictSchema = z.object({
  allow: z.boolean(),
  /** Told to the person. */
  reason: z.string().optional(),
  /** Shown instead of an answer. */
  text: z.string().max(20_000).optional(),
});
export type Verdict = z.infer<typeof verdictSchema>;

/** How a question is put to it. */
export interface Moderator {
  settings: ModerationSettings;
  /** Folder of the policy file. */
  folder: string;
  token: string | undefined;
}

/**
 * Asks the operator's moderation service.
 * @throws whatever keeps it from answering in time with a verdict
 */
export async function askModerator(moderator: Moderator, question: ModerationQuestion): Promise<Verdict> {
  const { settings, folder, token } = moderator;
  const signal = AbortSignal.timeout(settings.timeoutSeconds * 1000);
  const body = JSON.stringify(question);
  const answer =
    settings.url !== undefined
      ? await askAddress(settings.url, body, token, signal)
      : await askProgram(settings.command ?? [], body, folder, signal);
  return verdictSchema.parse(JSON.parse(answer));
}
