import type { CommandName } from '#commands/spec';

/** Whom a rule is about. Ids carry their platform: `discord:80351110224678912`, `slack:T1:U2`, `page:127.0.0.1`. */
export interface Who {
  user: string;
  server?: string | undefined;
  channel?: string | undefined;
  /** Discord roles or Slack user groups, as the platform names them by id. */
  roles?: readonly string[] | undefined;
}

/** Whether an answer goes on after what is shown of it. */
export type AnswerPart = 'partial' | 'whole';

/** What the operator lets people do and say. */
export interface Policy {
  /** @throws MumuError not_allowed, saying who may. */
  mayUse(who: Who, command: CommandName): Promise<void>;
  /** Before a request is queued. @throws MumuError refused */
  checkPrompt(text: string, who: Who): Promise<void>;
  /**
   * What an answer may show: the text as it is, with words struck out, or nothing of it until it is whole.
   * @param part default: the whole
   * @throws MumuError refused if none of it may be shown.
   */
  checkAnswer(text: string, who: Who, part?: AnswerPart): Promise<string>;
}

/** Everything is allowed: what holds without a policy file. */
export const OPEN_POLICY: Policy = {
  mayUse: async () => undefined,
  checkPrompt: async () => undefined,
  checkAnswer: async (text) => text,
};
