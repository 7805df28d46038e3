import { isDirectLine, parseCommandLine } from '#commands/parse';
import { MumuError } from '#contracts/errors';
import type { FileRef, Request, RequestCommand, RequestOptions } from '#contracts/request';
import type { Answers, DirectLine } from '#src/chat/answers';
import type { Deliveries } from '#src/chat/delivery/deliveries';
import type { Delivery, Intent } from '#src/chat/delivery/types';
import type { Asked, Intake } from '#src/chat/intake';
import type { Policy, Who } from '#src/policy/policy';
import type { JobQueue } from '#src/queue/job-queue';
import { lastTrackOf } from '#src/queue/snapshot';

export interface AcceptContext {
  deliveries: Deliveries;
  queue: JobQueue;
  intake: Intake;
  policy: Policy;
  answers: Answers;
  /** A user's own settings: those options of a command that hold where they say nothing else. */
  defaults(who: Who, command: RequestCommand): Promise<RequestOptions>;
}

const REQUEST_COMMANDS = ['ask', 'describe', 'generate', 'remix'] as const;

/** What became of a delivery at intake. */
export type Accepted = { told: string } | { request: Request };

/** What is to be queued, with the files it names. */
interface Wish {
  asked: Asked;
  files: FileRef[];
  /** The line as it was typed, for the history. */
  typed?: string;
}

type ButtonIntent = Extract<Intent, { type: 'button' }>;

export function whoOf(delivery: Delivery): Who {
  const { user, server, channel, roles } = delivery;
  return { user, server, channel, roles };
}

/**
 * What can be said before any file was fetched: whether the command is allowed, and its words. Which command a line
 * is may depend on its files; whoever may use none that takes any is turned away already.
 * @throws MumuError not_allowed, refused
 */
export async function checkBefore(delivery: Delivery, policy: Policy): Promise<void> {
  const { intent } = delivery;
  const who = whoOf(delivery);
  const text = intent.text ?? '';
  if (intent.type === 'command') await policy.mayUse(who, intent.command);
  if (intent.type === 'line') {
    // What is answered at once is no prompt: nobody is kept from asking for help, or to be forgotten.
    if (isDirectLine(text)) return;
    const tries = REQUEST_COMMANDS.map((command) => policy.mayUse(who, command));
    await Promise.any(tries).catch((none: AggregateError) => {
      throw none.errors[0];
    });
  }
  if (text.trim() !== '') await policy.checkPrompt(text, who);
}

/**
 * Puts what was asked on its queue, or answers it at once. The same delivery twice is the same job.
 * @param files those that came with it, fetched.
 * @throws MumuError invalid_input, not_found, not_allowed, refused, limit_reached, unavailable, disk_full
 */
export async function accept(
  delivery: Delivery,
  files: readonly FileRef[],
  context: AcceptContext,
): Promise<Accepted> {
  const { policy, intake, answers } = context;
  const who = whoOf(delivery);
  const wish = await wishOf(delivery, files, context);
  if ('line' in wish) {
    await policy.mayUse(who, wish.line.command);
    return { told: await answers.answer(wish.line, who, delivery.conversation) };
  }
  await policy.mayUse(who, wish.asked.command);
  // Words that were said with an earlier request were allowed then, but rules change.
  const isEarlier = delivery.intent.type === 'button' && delivery.intent.button !== 'remix';
  if (isEarlier && wish.asked.text.trim() !== '') await policy.checkPrompt(wish.asked.text, who);
  const { id, user, conversation, server } = delivery;
  const typed = wish.typed === undefined ? {} : { typed: wish.typed };
  const asker = { id, user, conversation, server, ...typed };
  return { request: await intake.submit(wish.asked, wish.files, asker) };
}

async function wishOf(
  delivery: Delivery,
  files: readonly FileRef[],
  context: AcceptContext,
): Promise<Wish | { line: DirectLine }> {
  const { intent } = delivery;
  const defaultsOf = (command: RequestCommand) => context.defaults(whoOf(delivery), command);
  switch (intent.type) {
    case 'command': {
      const { command, text, action } = intent;
      const options = { ...(await defaultsOf(command)), ...intent.options };
      return { asked: { command, text, action, options }, files: [...files] };
    }
    case 'line': {
      const hasTrack = await context.intake.hasTrack(delivery.conversation);
      const line = parseCommandLine(intent.text, { attachments: files, hasTrack });
      if (!('options' in line)) return { line };
      const asked = { ...line, options: { ...(await defaultsOf(line.command)), ...line.options } };
      return { asked, files: [...files], typed: intent.text };
    }
    case 'button':
      return await pressed(intent, delivery, defaultsOf, context);
  }
}

/**
 * What a button asks for. `again` is the same request by the user's settings as they are now, `vary` the same by its
 * own: both under another seed, as on the local page.
 */
async function pressed(
  intent: ButtonIntent,
  delivery: Delivery,
  defaultsOf: (command: RequestCommand) => Promise<RequestOptions>,
  context: AcceptContext,
): Promise<Wish> {
  const { button } = intent;
  const earlier = await earlierRequest(intent.of, delivery, context);
  const { seed: _seed, ...kept } = earlier.options;
  const action = earlier.command === 'generate' ? earlier.action : 'new';
  switch (button) {
    case 'again':
    case 'vary': {
      const files = await Promise.all(
        earlier.files.map(({ key }) => context.intake.knownFile(earlier.conversation, key)),
      );
      const isNew = earlier.command === 'generate' && button === 'vary' && action === 'new';
      const { command, text } = earlier;
      const options = button === 'vary' ? kept : { ...kept, ...(await defaultsOf(command)) };
      return { asked: { command, text, options, action: isNew ? 'vary' : action }, files };
    }
    case 'extend': {
      const { format: _format, ...options } = kept;
      const text = earlier.command === 'generate' ? earlier.text : '';
      const asked = { command: 'generate' as const, text, action: 'extend' as const };
      return {
        asked: { ...asked, options: { ...options, ...(await defaultsOf('generate')) } },
        files: [await trackOf(earlier, context)],
      };
    }
    case 'remix': {
      const files = [await trackOf(earlier, context)];
      const line = parseCommandLine(`/remix ${intent.text ?? ''}`, { attachments: files });
      if (!('options' in line)) throw new Error('a remix is no direct line');
      return { asked: { ...line, options: { ...(await defaultsOf('remix')), ...line.options } }, files };
    }
  }
}

/** The request a button belongs to: one of the same conversation, or of the same user. @throws MumuError not_found */
async function earlierRequest(id: string, delivery: Delivery, context: AcceptContext): Promise<Request> {
  const earlier = await context.deliveries.get(id);
  const isTheirs =
    earlier?.platform === delivery.platform &&
    (earlier.conversation === delivery.conversation || earlier.user === delivery.user);
  if (earlier?.request !== undefined && isTheirs) return earlier.request;
  throw new MumuError('not_found', 'That request is no longer remembered: ask anew.');
}

/** The last sound or clip that a request ended in. @throws MumuError not_found */
async function trackOf(request: Request, { queue, intake }: AcceptContext): Promise<FileRef> {
  const result = await queue.conversations.result(request.id);
  const track = result?.status === 'done' ? lastTrackOf(result) : undefined;
  if (track === undefined) {
    throw new MumuError('not_found', 'There is no track (any more) that this button belongs to: ask anew.');
  }
  return await intake.knownFile(request.conversation, track.key);
}
