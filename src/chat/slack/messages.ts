import type { App } from '@slack/bolt';
import { COMMANDS } from '#commands/registry';
import type { RemoteFile } from '#src/chat/delivery/types';
import { conversationIn, type SlackContext, takeOver } from '#src/chat/slack/context';
import { answerAddress, isDirect, requestId } from '#src/chat/slack/identity';
import { messageSchema, remoteFiles, type SlackMessage } from '#src/chat/slack/payloads';
import { typedText } from '#src/chat/slack/text';

/** Kinds of messages that people write; edits, joins and the like are none. */
const WRITTEN: ReadonlySet<string | undefined> = new Set([undefined, 'file_share', 'thread_broadcast']);

/** Mentions and direct messages: conversation. */
export function registerMessages(app: App, context: SlackContext): void {
  // A mention with a file may come as `app_mention`, as `message`, or as both: the message's own name tells.
  app.event('app_mention', ({ event }) => answer(context, event, true));
  app.event('message', ({ event }) => answer(context, event, false));
}

async function answer(context: SlackContext, event: unknown, isMention: boolean): Promise<void> {
  const parsed = messageSchema.safeParse(event);
  if (!parsed.success) return;
  const message = parsed.data;
  const { channel, ts, user, text = '' } = message;
  const { team, botUser } = context.identity;
  if (user === undefined || message.bot_id !== undefined || !WRITTEN.has(message.subtype)) return;
  if (!isMention && !isDirect(channel) && !text.includes(`<@${botUser}>`)) return;
  const address = answerAddress(user, channel, message);
  const conversation = await conversationIn(context, address);
  await takeOver(context, {
    id: requestId('message', team, channel, ts),
    address,
    conversation,
    intent: { type: 'line', text: lineOf(message, botUser) },
    files: await filesOf(context, message, conversation),
  });
}

/** What was typed; commands may be named without their slash, which in Slack belongs to the message box. */
function lineOf({ text = '', files }: SlackMessage, botUser: string): string {
  const typed = typedText(text, botUser);
  if (typed === '' && (files?.length ?? 0) === 0) return '/help';
  return withSlash(typed);
}

/** `help generate` and `cancel` are commands; `describe the mood of this` is better read as words. */
export function withSlash(typed: string): string {
  const first = /^([a-z]+)(?:\s|$)/i.exec(typed)?.[1]?.toLowerCase();
  const command = COMMANDS.find(({ name }) => name === first);
  const direct = command !== undefined && command.attachments === undefined;
  return direct && typed.split(/\s+/).length <= 4 ? `/${typed}` : typed;
}

/**
 * A message's own files; in a thread that knows no track yet, those of the message it began with, so that "describe
 * this" below someone's song is about the song.
 */
async function filesOf(
  context: SlackContext,
  message: SlackMessage,
  conversation: string,
): Promise<RemoteFile[]> {
  const own = remoteFiles(message.files);
  const { channel, thread_ts: thread, ts } = message;
  if (own.length > 0 || thread === undefined || thread === ts) return own;
  try {
    if (await context.services.intake.hasTrack(conversation)) return own;
    const { messages = [] } = await context.client.conversations.replies({ channel, ts: thread, limit: 1 });
    return remoteFiles(messages[0]?.files);
  } catch (error) {
    context.services.log.warn({ error: (error as Error).message }, 'beginning of a thread unknown');
    return own;
  }
}
