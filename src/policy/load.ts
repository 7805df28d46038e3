import { createHmac } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MumuError } from '#contracts/errors';
import { deriveKey, loadSecret } from '#src/chat/delivery/seal';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import { policyFileSchema } from '#src/policy/file';
import type { Moderator } from '#src/policy/moderation';
import { OPEN_POLICY, type Policy } from '#src/policy/policy';
import { RuledPolicy, type Rules } from '#src/policy/ruled-policy';
import { WordFilter } from '#src/policy/words';

/** The file is looked at this often, while there is something to decide, milliseconds. */
const LOOK_AGAIN = 3000;
/** Bytes. */
const LONGEST_FILE = 8 * 1024 * 1024;

/**
 * The policy of the settings: everything is allowed where MUMU_POLICY names no file. A changed file counts within
 * seconds; a broken one is logged, and what it said before goes on.
 * @throws MumuError invalid_input naming the field of the file that cannot be read
 */
export async function loadPolicy(
  config: Pick<Config, 'policyFile' | 'secret' | 'dataFolder'>,
  log: Logger,
  options: { lookAgainMilliseconds?: number } = {},
): Promise<Policy> {
  const { policyFile: path } = config;
  if (path === undefined) return OPEN_POLICY;
  const key = deriveKey(await loadSecret(config), 'moderation');
  const pseudonym = (user: string) => createHmac('sha256', key).update(user).digest('hex').slice(0, 32);
  // First: what changes while it is read is read again.
  const version = await versionOf(path);
  const rules = await readRules(path);
  const source = new RulesFile(path, version, rules, log, options.lookAgainMilliseconds ?? LOOK_AGAIN);
  return new RuledPolicy(() => source.current(), pseudonym, log);
}

class RulesFile {
  private lookedAt = Date.now();
  private looking: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private version: string,
    private rules: Rules,
    private readonly log: Logger,
    private readonly lookAgain: number,
  ) {}

  async current(): Promise<Rules> {
    if (Date.now() - this.lookedAt >= this.lookAgain) {
      this.looking ??= this.look().finally(() => {
        this.lookedAt = Date.now();
        this.looking = undefined;
      });
      await this.looking;
    }
    return this.rules;
  }

  private async look(): Promise<void> {
    const version = await versionOf(this.path);
    if (version === this.version) return;
    this.version = version;
    try {
      this.rules = await readRules(this.path);
      this.log.info('the policy file was read again');
    } catch (error) {
      this.log.error(
        { problem: (error as Error).message },
        'the changed policy file cannot be used: what it said before goes on',
      );
    }
  }
}

async function versionOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'gone';
  }
}

async function readRules(path: string): Promise<Rules> {
  const file = policyFileSchema.safeParse(await readJson(path));
  if (!file.success) {
    const issue = file.error.issues[0];
    const where = issue?.path.length ? issue.path.join('.') : 'it';
    throw new MumuError('invalid_input', `The policy file (MUMU_POLICY): ${where}: ${issue?.message}.`);
  }
  const { access, prompts, answers, moderation } = file.data;
  const folder = dirname(path);
  return {
    access,
    prompts: { refuse: new WordFilter(prompts.refuse), say: prompts.say },
    answers: {
      refuse: new WordFilter(answers.refuse),
      strike: new WordFilter(answers.strike),
      say: answers.say,
    },
    moderator:
      moderation === undefined
        ? undefined
        : { settings: moderation, folder, token: await readToken(moderation.tokenFile, folder) },
  };
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LONGEST_FILE) throw new Error(`it has ${size} bytes`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new MumuError('invalid_input', 'The policy file named by MUMU_POLICY cannot be read.', { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = (cause as Error).message;
    throw new MumuError('invalid_input', `The policy file (MUMU_POLICY) is no JSON: ${problem}.`, { cause });
  }
}

async function readToken(file: string | undefined, folder: string): Promise<Moderator['token']> {
  if (file === undefined) return undefined;
  let token: string;
  try {
    token = (await readFile(resolve(folder, file), 'utf8')).trim();
  } catch (cause) {
    throw new MumuError(
      'invalid_input',
      'The policy file (MUMU_POLICY): moderation.tokenFile: cannot be read.',
      { cause },
    );
  }
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new MumuError(
    'invalid_input',
    'The policy file (MUMU_POLICY): moderation.tokenFile: has to hold one token and nothing else.',
  );
}
