import type { CommandName } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import type { Logger } from '#src/log';
import { requireAccess } from '#src/policy/access';
import type { PolicyFile } from '#src/policy/file';
import { askModerator, type Moderator, type Verdict } from '#src/policy/moderation';
import type { AnswerPart, Policy, Who } from '#src/policy/policy';
import type { WordFilter } from '#src/policy/words';

/** A policy file, ready to be held against what people do. */
export interface Rules {
  access: PolicyFile['access'];
  prompts: { refuse: WordFilter; say: string | undefined };
  answers: { refuse: WordFilter; strike: WordFilter; say: string | undefined };
  moderator: Moderator | undefined;
}

const UNCHECKED: Verdict = { allow: true };

/** Goes by the operator's rules as they are at the moment of each question. */
export class RuledPolicy implements Policy {
  constructor(
    private readonly rules: () => Promise<Rules>,
    private readonly pseudonym: (user: string) => string,
    private readonly log: Logger,
  ) {}

  async mayUse(who: Who, command: CommandName): Promise<void> {
    requireAccess((await this.rules()).access, who, command);
  }

  async checkPrompt(text: string, who: Who): Promise<void> {
    const { prompts, moderator } = await this.rules();
    if (prompts.refuse.find(text).length > 0) {
      throw new MumuError('refused', prompts.say ?? 'These words are not taken here: put it another way.');
    }
    if (moderator?.settings.prompts !== true) return;
    const verdict = await this.ask(moderator, 'prompt', text, who);
    if (!verdict.allow) throw new MumuError('refused', reasonOf(verdict) ?? 'This is not taken here.');
  }

  async checkAnswer(text: string, who: Who, part: AnswerPart = 'whole'): Promise<string> {
    if (text.trim() === '') return text;
    const { answers, moderator } = await this.rules();
    if (answers.refuse.find(text).length > 0) {
      throw new MumuError('refused', answers.say ?? 'What came of it is not shown here.');
    }
    const struck = answers.strike.strike(text);
    if (moderator?.settings.answers !== true) return struck;
    // Nobody is asked about every word that is added: a text shows once the whole of it was judged.
    if (part === 'partial') return '';
    const verdict = await this.ask(moderator, 'answer', struck, who);
    if (!verdict.allow) {
      throw new MumuError(
        'refused',
        reasonOf(verdict) ?? answers.say ?? 'What came of it is not shown here.',
      );
    }
    return verdict.text === undefined ? struck : answers.strike.strike(verdict.text);
  }

  private async ask(
    moderator: Moderator,
    kind: 'prompt' | 'answer',
    text: string,
    { user, server }: Who,
  ): Promise<Verdict> {
    const question = {
      kind,
      text,
      user: this.pseudonym(user),
      ...(server === undefined ? {} : { server }),
    };
    try {
      return await askModerator(moderator, question);
    } catch (error) {
      const { onFailure } = moderator.settings;
      this.log.error({ kind, problem: problemOf(error), onFailure }, 'moderation gave no verdict');
      if (onFailure === 'allow') return UNCHECKED;
      throw new MumuError(
        'refused',
        'What is said here is checked, and the check does not answer: try again later.',
      );
    }
  }
}

/** Names and codes only: what a service answered may repeat what somebody wrote. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  if (error.name === 'SyntaxError' || error.name === 'ZodError') return 'the verdict cannot be read';
  return [
    error.name,
    (error as NodeJS.ErrnoException).code ?? cause?.code,
    error.name === 'Error' ? error.message : '',
  ]
    .filter((part) => part !== undefined && part !== '')
    .join(' ');
}

function reasonOf({ reason }: Verdict): string | undefined {
  const clean = (reason ?? '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 300);
  return clean === '' ? undefined : clean;
}
