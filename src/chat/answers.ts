import type { ParsedLine } from '#commands/parse';
import { helpText } from '#commands/registry';
import { SETTINGS, type SettingsLine, settingsText } from '#commands/settings';
import { MumuError } from '#contracts/errors';
import type { Policy, Who } from '#src/policy/policy';
import type { JobQueue } from '#src/queue/job-queue';
import { type Forget, forgottenText } from '#src/settings/forget';
import type { Settings } from '#src/settings/settings';

/** What is answered at once, without a job. */
export type DirectLine = Exclude<ParsedLine, { options: unknown }>;

/** Answers in plain text (no markup of any platform), the same everywhere. */
export interface Answers {
  /** @throws MumuError not_found, invalid_input, not_allowed, unavailable */
  answer(line: DirectLine, who: Who, conversation: string): Promise<string>;
}

export interface AnswersOptions {
  queue: JobQueue;
  policy: Policy;
  settings: Settings;
  forget: Forget;
}

/** The commands that need no model. */
export function createAnswers(options: AnswersOptions): Answers {
  const { queue, policy } = options;
  return {
    async answer(line, who, conversation) {
      await policy.mayUse(who, line.command);
      switch (line.command) {
        case 'help':
          return helpText(line.topic);
        case 'queue':
          return queueText(await queue.overview(conversation));
        case 'cancel':
          return await cancel(queue, conversation, who.user, line.id);
        case 'settings':
          return await answerSettings(options, line, who.user);
      }
    },
  };
}

async function answerSettings(options: AnswersOptions, line: SettingsLine, user: string): Promise<string> {
  const { settings, forget } = options;
  switch (line.action) {
    case 'show':
      return settingsText(await settings.get(user));
    case 'set':
      await settings.set(user, line.key, line.value);
      return `${wordOf(line.key)} is set to ${shown(line.value)} for your requests from now on.`;
    case 'reset': {
      const count = await settings.reset(user, line.key);
      if (line.key !== undefined) return `${wordOf(line.key)} is not set any more.`;
      return count === 0 ? 'You had set nothing.' : 'None of your settings is set any more.';
    }
    case 'forget':
      return forgottenText(await forget.user(user));
  }
}

function wordOf(key: string): string {
  return SETTINGS.find((setting) => setting.key === key)?.word ?? key;
}

function shown(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

function queueText(overview: Awaited<ReturnType<JobQueue['overview']>>): string {
  const { text, music } = overview.queues;
  const lines = [
    `Answers: ${text.active} running, ${text.waiting} waiting. Music: ${music.active} running, ${music.waiting} waiting.`,
  ];
  for (const job of overview.jobs) {
    lines.push(
      `${job.id}: ${job.command}, ${job.state === 'active' ? 'running' : `number ${job.position} in the queue`}`,
    );
  }
  if (overview.jobs.length === 0) lines.push('None of it is from here.');
  return lines.join('\n');
}

/** Stops a job of the one who asks: in a shared conversation the others' are none of theirs. */
async function cancel(
  queue: JobQueue,
  conversation: string,
  user: string,
  id: string | undefined,
): Promise<string> {
  const open = (await queue.overview(conversation)).jobs;
  const history = await queue.conversations.history(conversation);
  const own = new Set(
    history.filter(({ request }) => request.user === user).map(({ request }) => request.id),
  );
  const chosen = id ?? open.findLast((job) => own.has(job.id))?.id;
  if (chosen === undefined) return 'There is nothing to cancel: no job of yours waits or runs here.';
  if (!open.some((job) => job.id === chosen)) {
    throw new MumuError('not_found', 'No such job waits or runs in this conversation.');
  }
  if (!own.has(chosen)) throw new MumuError('not_allowed', 'Only the one who asked for it can cancel it.');
  const outcome = await queue.cancel(chosen);
  return outcome === 'stopping' ? 'Stopping it.' : outcome === 'cancelled' ? 'Cancelled.' : 'It had ended.';
}
