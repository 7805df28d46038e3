import { createHash } from 'node:crypto';
import type { Address } from '#src/chat/slack/address';
import type { Who } from '#src/policy/policy';

/**
 * A request's id from what Slack calls the event: the same event delivered twice, or told in two ways, is one
 * request.
 */
export function requestId(...parts: string[]): string {
  return `slack-${createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 20)}`;
}

/** Direct messages are conversations of two, where nothing has to be addressed and threads are rare. */
export function isDirect(channel: string): boolean {
  return channel.startsWith('D');
}

export function threadConversation(team: string, channel: string, thread: string): string {
  return `slack:${team}:${channel}:${thread}`;
}

/** What one person and the bot say to each other directly, whichever form or command it begins with. */
export function directConversation(team: string, user: string): string {
  return `slack:${team}:${user}`;
}

/**
 * Slash commands know no thread: in a channel each person's own commands are one conversation, so that `/remix`
 * without a file means the track that this person last made here.
 */
export function commandConversation(team: string, channel: string, user: string): string {
  return isDirect(channel) ? directConversation(team, user) : `slack:${team}:${channel}:${user}`;
}

/** Where to answer something said in a channel: in a thread below it, and directly where it was said directly. */
export function answerAddress(
  user: string,
  channel: string,
  message: { ts: string; thread_ts?: string | undefined },
): Address & { channel: string } {
  const thread = message.thread_ts ?? (isDirect(channel) ? undefined : message.ts);
  return { user, channel, ...(thread === undefined ? {} : { thread }) };
}

/** Who asks, as rules and limits name people. */
export function whoOf(
  team: string,
  user: string,
  channel: string | undefined,
  roles: readonly string[],
): Who & { user: string; server: string } {
  return {
    user: `slack:${team}:${user}`,
    server: `slack:${team}`,
    ...(channel === undefined ? {} : { channel: `slack:${team}:${channel}` }),
    roles,
  };
}
