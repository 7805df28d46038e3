import { type Logger as BoltLogger, LogLevel, webApi } from '@slack/bolt';
import { MumuError } from '#contracts/errors';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';

export type SlackConfig = NonNullable<Config['slack']>;
export type SlackClient = webApi.WebClient;

/** One call of the Web API may take this long, milliseconds. */
const CALL = 20_000;

/**
 * A client of Slack's Web API. It tries nothing twice by itself: an answer that was lost on its way may have been the
 * answer to a message that was posted. Whoever calls looks first and tries again then.
 */
export function createClient(config: SlackConfig, log: Logger): SlackClient {
  return new webApi.WebClient(config.botToken, {
    ...clientOptions(config),
    timeout: CALL,
    retryConfig: { retries: 0 },
    logger: quietLogger(log),
  });
}

/** Where the Web API is: Slack's own, or the stand-in of a test. */
export function clientOptions(config: SlackConfig): { slackApiUrl?: string; allowAbsoluteUrls: boolean } {
  return {
    allowAbsoluteUrls: false,
    ...(config.api === undefined ? {} : { slackApiUrl: config.api }),
  };
}

/** Only warnings and errors, and of those no payload: what Slack's libraries say below that quotes messages. */
export function quietLogger(log: Logger): BoltLogger {
  const first = (messages: readonly unknown[]) => String(messages[0]).slice(0, 300);
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (...messages) => log.warn({ from: 'slack' }, first(messages)),
    error: (...messages) => log.error({ from: 'slack' }, first(messages)),
    setLevel: () => undefined,
    getLevel: () => LogLevel.WARN,
    setName: () => undefined,
  };
}

/** Slack's own word for what was wrong (`channel_not_found`), where the Web API refused a call. */
export function refusalCode(error: unknown): string | undefined {
  return error instanceof webApi.WebAPIPlatformError ? error.data.error : undefined;
}

/** Refusals of Slack's that pass by themselves, or that the operator can end without anything being sent again. */
const PASSING: ReadonlySet<string> = new Set([
  'ratelimited',
  'rate_limited',
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'team_added_to_org',
  'org_login_required',
  'external_channel_migrating',
  'update_failed',
  'request_timeout',
  'accesslimited',
  'invalid_auth',
  'not_authed',
  'token_revoked',
  'token_expired',
  'account_inactive',
]);

/** Whether the same call may succeed later: Slack did not answer, or refused for the moment. */
export function mayPass(error: unknown): boolean {
  const code = refusalCode(error);
  return code === undefined || PASSING.has(code);
}

/** The bot as Slack knows it. */
export interface Identity {
  /** Id of the workspace. */
  team: string;
  /** User id of the bot, as it stands in mentions. */
  botUser: string;
  botId: string;
  /** Address of the workspace, with a slash at its end. */
  address: string;
}

/**
 * Asks Slack whom the token belongs to.
 * @throws MumuError invalid_input if Slack refuses it; unavailable if Slack does not answer.
 */
export async function identify(client: SlackClient): Promise<Identity> {
  try {
    const { team_id: team, user_id: botUser, bot_id: botId, url } = await client.auth.test();
    if (team === undefined || botUser === undefined || botId === undefined) {
      throw new MumuError(
        'invalid_input',
        'SLACK_BOT_TOKEN is not a bot’s token: take the one that starts with xoxb- from "OAuth & Permissions".',
      );
    }
    return { team, botUser, botId, address: url ?? 'https://slack.com/' };
  } catch (error) {
    if (error instanceof MumuError) throw error;
    const code = refusalCode(error);
    if (code === undefined) {
      throw new MumuError('unavailable', 'Slack does not answer: check the network and start again.', {
        cause: error,
      });
    }
    throw new MumuError(
      'invalid_input',
      `Slack does not accept SLACK_BOT_TOKEN (${code}): copy it again from "OAuth & Permissions", reinstalling the app if need be.`,
      { cause: error },
    );
  }
}
