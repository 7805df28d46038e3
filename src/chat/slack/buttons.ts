import type { App } from '@slack/bolt';
import { MumuError } from '#contracts/errors';
import { type ButtonOf, decodeButton } from '#src/chat/delivery/custom-id';
import { localeOf, type SlackContext, takeOver } from '#src/chat/slack/context';
import { remixForm } from '#src/chat/slack/forms';
import { answerAddress, requestId, whoOf } from '#src/chat/slack/identity';
import { confirmed, openForm } from '#src/chat/slack/listening';
import { buttonSchema } from '#src/chat/slack/payloads';

/** Buttons under status messages and results: only whoever asked may press them. */
export function registerButtons(app: App, context: SlackContext): void {
  app.action(/^(?:again|vary|extend|remix|cancel):/, ({ body, payload, ack, respond }) =>
    confirmed(context, { ack: () => ack(), respond }, async () => {
      const button = 'action_id' in payload ? decodeButton(payload.action_id) : undefined;
      if (button === undefined) return;
      // The value is what we wrote into the message; nobody else can write there.
      await press(context, button, 'value' in payload ? payload.value : undefined, body);
    }),
  );
}

async function press(
  context: SlackContext,
  { button, id }: ButtonOf,
  owner: unknown,
  body: unknown,
): Promise<void> {
  const { trigger_id, user, channel, message } = buttonSchema.parse(body);
  if (owner !== user.id) {
    throw new MumuError(
      'not_allowed',
      'This belongs to someone else: only the person who asked may use its buttons.',
    );
  }
  if (button === 'cancel') {
    const person = whoOf(context.identity.team, user.id, undefined, []).user;
    const outcome = await context.courier.cancel(id, person);
    if (outcome === 'cancelled' || outcome === 'stopping') return;
    throw new MumuError('not_found', 'It had ended.');
  }
  const known = await context.courier.lookUp(id);
  if (known === undefined || channel === undefined || message === undefined) {
    throw new MumuError('not_found', 'That result is no longer remembered: ask again.');
  }
  const { conversation } = known.delivery;
  const address = answerAddress(user.id, channel.id, message);
  if (button === 'remix') {
    const instruction = known.request.command === 'remix' ? known.request.text : '';
    const { user: _user, ...place } = address;
    const memory = { ...place, conversation, files: [], of: id };
    await openForm(context, trigger_id, remixForm(memory, instruction, await localeOf(context, user.id)));
    return;
  }
  await takeOver(context, {
    id: requestId('button', trigger_id),
    address,
    conversation,
    intent: { type: 'button', button, of: id },
    files: [],
  });
}
