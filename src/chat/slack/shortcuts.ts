import type { App } from '@slack/bolt';
import { MumuError } from '#contracts/errors';
import { conversationIn, localeOf, type SlackContext, takeOver } from '#src/chat/slack/context';
import { askForm, remixForm, requestForm } from '#src/chat/slack/forms';
import { answerAddress, requestId } from '#src/chat/slack/identity';
import { confirmed, openForm } from '#src/chat/slack/listening';
import { messageShortcutSchema, remoteFiles } from '#src/chat/slack/payloads';

/** Shortcuts as the manifest names them. */
export const SHORTCUTS = {
  ask: 'mumu_ask_about_this',
  generate: 'mumu_music_for_this',
  remix: 'mumu_remix_this',
  request: 'mumu_new_request',
} as const;

/** What can be done with any message that has a file, and the form from anywhere. */
export function registerShortcuts(app: App, context: SlackContext): void {
  app.shortcut({ type: 'shortcut', callback_id: SHORTCUTS.request }, ({ shortcut, ack }) =>
    confirmed(context, { ack: () => ack() }, () =>
      openForm(context, shortcut.trigger_id, requestForm({ files: [] })),
    ),
  );
  for (const wish of ['ask', 'generate', 'remix'] as const) {
    app.shortcut({ type: 'message_action', callback_id: SHORTCUTS[wish] }, ({ body, ack, respond }) =>
      confirmed(context, { ack: () => ack(), respond }, () => use(context, wish, body)),
    );
  }
}

async function use(context: SlackContext, wish: 'ask' | 'generate' | 'remix', body: unknown): Promise<void> {
  const { trigger_id, channel, user, message } = messageShortcutSchema.parse(body);
  const files = remoteFiles(message.files);
  if (files.length === 0) {
    throw new MumuError(
      'invalid_input',
      'That message has no file: use this on a song, a picture or a clip.',
    );
  }
  const address = answerAddress(user.id, channel.id, message);
  const conversation = await conversationIn(context, address);
  if (wish === 'generate') {
    await takeOver(context, {
      id: requestId('shortcut', trigger_id),
      address,
      conversation,
      intent: { type: 'command', command: 'generate', text: '', options: {}, action: 'new' },
      files,
    });
    return;
  }
  const { user: _user, ...place } = address;
  const memory = { ...place, conversation, files };
  const view = wish === 'ask' ? askForm(memory) : remixForm(memory, '', await localeOf(context, user.id));
  await openForm(context, trigger_id, view);
}
