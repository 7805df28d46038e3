import type { App, SlashCommand } from '@slack/bolt';
import { parseCommandLine } from '#commands/parse';
import { COMMANDS } from '#commands/registry';
import { askerOf, type SlackContext, takeOver } from '#src/chat/slack/context';
import { requestForm } from '#src/chat/slack/forms';
import { commandConversation, requestId } from '#src/chat/slack/identity';
import { confirmed, openForm, tell } from '#src/chat/slack/listening';
import { withSlash } from '#src/chat/slack/messages';

/**
 * Slash commands: text only, as Slack has it. Which command is meant is read from the end of its name, so that an
 * operator whose workspace has an `/ask` already may call ours `/mumu-ask` in the app's settings.
 */
export function registerSlashCommands(app: App, context: SlackContext): void {
  app.command(/^\//, ({ command, ack, respond }) =>
    confirmed(context, { ack: () => ack(), respond }, async () => {
      const { user_id: user, channel_id: channel, trigger_id } = command;
      const conversation = commandConversation(context.identity.team, channel, user);
      const line = lineOf(command);
      if (line === undefined) {
        await openForm(context, trigger_id, requestForm({ channel, conversation, files: [] }));
        return;
      }
      const { intake, answers } = context.services;
      const hasTrack = line.startsWith('/') ? false : await intake.hasTrack(conversation);
      const parsed = parseCommandLine(line, { attachments: [], hasTrack });
      if (!('options' in parsed)) {
        const who = await askerOf(context, user, channel);
        await tell(respond, await answers.answer(parsed, who, conversation));
        return;
      }
      await takeOver(context, {
        id: requestId('command', trigger_id),
        address: { user, channel },
        conversation,
        intent: { type: 'command', ...parsed },
        files: [],
      });
    }),
  );
}

/** The line that a slash command stands for; undefined where it asks for the form. */
export function lineOf({ command, text }: Pick<SlashCommand, 'command' | 'text'>): string | undefined {
  const typed = plainText(text);
  const named = command.slice(1).split('-').at(-1)?.toLowerCase();
  const spec = COMMANDS.find(({ name }) => name === named);
  if (spec !== undefined) return `/${spec.name} ${typed}`.trim();
  if (typed === '') return undefined;
  const first = typed.replace(/^\//, '').split(/\s/, 1)[0]?.toLowerCase();
  const sub = COMMANDS.find(({ name }) => name === first);
  if (sub === undefined) return withSlash(typed);
  return `/${typed.replace(/^\//, '')}`;
}

/** Slack hands over what was typed with its three control characters written out. */
function plainText(text: string): string {
  return text.trim().replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
