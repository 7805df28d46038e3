import { setTimeout as delay } from 'node:timers/promises';
import type { RespondFn, types } from '@slack/bolt';
import { MumuError, toMumuError } from '#contracts/errors';
import { sections } from '#src/chat/slack/blocks';
import type { SlackContext } from '#src/chat/slack/context';
import { fallbackText } from '#src/chat/slack/text';
import { refusalCode } from '#src/chat/slack/web';

/** Slack waits three seconds for a receipt. */
const PATIENCE = 2000;

/** What Slack hands a listener to answer with. */
export interface Reply {
  ack(): Promise<void>;
  /** Absent where there is no conversation to answer in. */
  respond?: RespondFn;
}

/**
 * Does something and confirms it to Slack when it is done, or when it would be too late to; what goes wrong is told to
 * the person.
 */
export async function confirmed(
  context: SlackContext,
  reply: Reply,
  work: () => Promise<void>,
): Promise<void> {
  const { log } = context.services;
  const working = work().catch(async (thrown: unknown) => {
    const { code, message, cause } = toMumuError(thrown);
    const detail = code === 'internal' ? { stack: stackOf(cause ?? thrown) } : {};
    log[code === 'internal' ? 'error' : 'info']({ from: 'slack', code, ...detail }, 'not taken');
    if (reply.respond !== undefined) await tell(reply.respond, message);
  });
  await confirmAfter(working, () => reply.ack());
}

/** Confirms to Slack once something is done, or when it would be too late. */
export async function confirmAfter(work: Promise<unknown>, ack: () => Promise<void>): Promise<void> {
  await Promise.race([work.catch(() => undefined), delay(PATIENCE, undefined, { ref: false })]);
  await ack();
  await work;
}

/** Shows something to the person who asked only. */
export async function tell(respond: RespondFn, text: string): Promise<void> {
  await respond({
    response_type: 'ephemeral',
    replace_original: false,
    text: fallbackText(text),
    blocks: sections(text),
  });
}

/** Opens a form. @throws MumuError unavailable: Slack honours a trigger for three seconds only. */
export async function openForm(
  { client }: SlackContext,
  trigger_id: string,
  view: types.ModalView,
): Promise<void> {
  try {
    await client.views.open({ trigger_id, view });
  } catch (cause) {
    throw new MumuError(
      'unavailable',
      `Slack did not open the form (${refusalCode(cause) ?? 'no answer'}): try again.`,
      { cause },
    );
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
