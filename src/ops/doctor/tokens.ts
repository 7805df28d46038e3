import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { webApi } from '@slack/bolt';
import { z } from 'zod';
import { clientOptions, createClient, refusalCode, type SlackConfig } from '#src/chat/slack/web';
import { repositoryFolder } from '#src/config';
import type { Logger } from '#src/log';
import { type Check, missing, ok, warning } from '#src/ops/doctor/check';

/** A platform has this long to answer, milliseconds. */
const PATIENCE = 10_000;

const DISCORD_API = 'https://discord.com/api';
/** Three parts: the application's id in base64, a time, a signature. */
const DISCORD_TOKEN = /^[\w-]{18,}\.[\w-]{6,}\.[\w-]{20,}$/;

const userSchema = z.object({ username: z.string(), bot: z.boolean().optional() });
const applicationSchema = z.object({
  integration_types_config: z.record(z.string(), z.unknown()).optional(),
});

/** The token's shape and, where Discord can be reached, whom it belongs to and where the app may be installed. */
export async function checkDiscord(discord: { token: string; api: string | undefined }): Promise<Check> {
  const name = 'discord';
  const where = 'Developer Portal > your application > Bot';
  if (!DISCORD_TOKEN.test(discord.token)) {
    return missing(
      name,
      'DISCORD_TOKEN has not the shape of a bot token',
      `Copy it anew from ${where} > Reset Token (not the public key, not the client secret).`,
    );
  }
  const ask = (path: string) =>
    fetch(`${discord.api ?? DISCORD_API}/v10${path}`, {
      headers: { authorization: `Bot ${discord.token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE),
    });
  try {
    const me = await ask('/users/@me');
    if (me.status === 401) {
      return missing(name, 'Discord does not take DISCORD_TOKEN', `Draw a new one: ${where} > Reset Token.`);
    }
    if (!me.ok) return unreachable(name, `Discord answers with status ${me.status}`);
    const user = userSchema.parse(await me.json());
    const application = await ask('/applications/@me');
    const contexts = application.ok
      ? applicationSchema.parse(await application.json()).integration_types_config
      : undefined;
    // 0: servers, 1: users.
    const lacking = ['0', '1'].filter((kind) => contexts !== undefined && !(kind in contexts));
    if (lacking.length === 0) return ok(name, `signed in as ${user.username}`);
    return warning(
      name,
      `signed in as ${user.username}, not installable to ${lacking.map((kind) => (kind === '0' ? 'servers' : 'users')).join(' and ')}`,
      'Developer Portal > your application > Installation > Installation Contexts: tick both (docs/discord.md).',
    );
  } catch {
    return unreachable(name, 'Discord cannot be reached from here');
  }
}

/** The tokens' shape and, where Slack can be reached, whether it takes them and which scopes they have. */
export async function checkSlack(slack: SlackConfig, log: Logger): Promise<Check> {
  const name = 'slack';
  const shape = shapeProblem(slack);
  if (shape !== undefined) return missing(name, shape.found, shape.advice);
  try {
    const test = await createClient(slack, log).auth.test();
    const granted = new Set(test.response_metadata?.scopes ?? []);
    const lacking = granted.size === 0 ? [] : (await manifestScopes()).filter((scope) => !granted.has(scope));
    if (lacking.length > 0) {
      return missing(
        name,
        `the bot token lacks ${lacking.join(', ')}`,
        'Your app > App Manifest: paste manifest.yaml of this version, save, then Install App > Reinstall to Workspace.',
      );
    }
    if (slack.appToken !== undefined) await openSocket(slack, slack.appToken);
    const mode = slack.appToken === undefined ? 'HTTP' : 'Socket Mode';
    return ok(name, `signed in as ${test.user ?? 'the bot'} in ${test.team ?? 'a workspace'}, ${mode}`);
  } catch (error) {
    const refusal = refusalCode(error);
    if (refusal === undefined) return unreachable(name, 'Slack cannot be reached from here');
    return missing(
      name,
      `Slack does not take the tokens (${refusal})`,
      'Copy SLACK_BOT_TOKEN from your app > Install App, and SLACK_APP_TOKEN from Basic Information > App-Level Tokens (scope connections:write).',
    );
  }
}

function shapeProblem(slack: SlackConfig): { found: string; advice: string } | undefined {
  const { botToken, appToken, signingSecret } = slack;
  if (!botToken.startsWith('xoxb-')) {
    const advice = 'Copy the Bot User OAuth Token from your app > Install App: it starts with xoxb-.';
    return { found: 'SLACK_BOT_TOKEN is no bot token', advice };
  }
  if (appToken !== undefined && !appToken.startsWith('xapp-')) {
    const advice = 'Copy it from your app > Basic Information > App-Level Tokens: it starts with xapp-.';
    return { found: 'SLACK_APP_TOKEN is no app-level token', advice };
  }
  if (signingSecret !== undefined && !/^[0-9a-f]{32}$/i.test(signingSecret)) {
    const advice = 'Copy it from your app > Basic Information > Signing Secret: 32 hexadecimal digits.';
    return { found: 'SLACK_SIGNING_SECRET is no signing secret', advice };
  }
  if (appToken === undefined && signingSecret === undefined) {
    const advice = 'Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP (docs/slack.md).';
    return { found: 'the bot token alone takes no events', advice };
  }
  return undefined;
}

/** Asks for an address to connect to, which shows that the app-level token is good; nothing connects to it. */
async function openSocket(slack: SlackConfig, appToken: string): Promise<void> {
  const options = { ...clientOptions(slack), timeout: PATIENCE, retryConfig: { retries: 0 } };
  await new webApi.WebClient(appToken, options).apps.connections.open();
}

/** What manifest.yaml asks of a workspace: the list under `scopes: bot:`. */
export async function manifestScopes(): Promise<string[]> {
  const text = await readFile(join(repositoryFolder(), 'manifest.yaml'), 'utf8');
  const list = /^ {2}scopes:\n {4}bot:\n((?: {6}- .+\n)+)/m.exec(text)?.[1] ?? '';
  return [...list.matchAll(/- (\S+)/g)].map((match) => match[1] ?? '');
}

function unreachable(name: string, found: string): Check {
  return warning(
    name,
    `${found}; the tokens have the right shape`,
    'Check the network and a proxy in between.',
  );
}
