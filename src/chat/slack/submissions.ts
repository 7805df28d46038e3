import type { AckFn, App, ViewResponseAction } from '@slack/bolt';
import { MUSIC_OPTIONS, readOptions } from '#commands/options';
import { checkText } from '#commands/parse';
import { commandNamed } from '#commands/registry';
import { toMumuError } from '#contracts/errors';
import type { Intent } from '#src/chat/delivery/types';
import { type SlackContext, takeOver } from '#src/chat/slack/context';
import { FORMS, filledIn } from '#src/chat/slack/forms';
import { directConversation, requestId } from '#src/chat/slack/identity';
import { confirmAfter } from '#src/chat/slack/listening';
import {
  type FormMemory,
  formMemorySchema,
  remoteFiles,
  type Submission,
  submissionSchema,
} from '#src/chat/slack/payloads';

type SubmissionAck = AckFn<ViewResponseAction> | AckFn<void>;

/** Forms that were sent. What is wrong with them is said in the form, which stays open. */
export function registerSubmissions(app: App, context: SlackContext): void {
  for (const form of Object.values(FORMS)) {
    app.view(form, async ({ body, ack }) => {
      const submission = submissionSchema.parse(body);
      const memory = formMemorySchema.parse(JSON.parse(submission.view.private_metadata));
      let intent: Intent;
      try {
        intent = intentOf(form, submission, memory);
      } catch (error) {
        await refuse(ack, toMumuError(error).message);
        return;
      }
      await confirmAfter(send(context, submission, memory, intent), () => ack());
    });
  }
}

/** @throws MumuError invalid_input where the text is missing */
function intentOf(form: string, submission: Submission, memory: FormMemory): Intent {
  const { command: chosen, text, seconds } = filledIn(submission);
  if (form === FORMS.remix && memory.of !== undefined) {
    return { type: 'button', button: 'remix', of: memory.of, text: checkText(text, commandNamed('remix')) };
  }
  const command = form === FORMS.ask ? 'ask' : form === FORMS.remix ? 'remix' : (chosen ?? 'describe');
  checkText(text, commandNamed(command));
  const length = MUSIC_OPTIONS.find(({ key }) => key === 'seconds');
  const options =
    command !== 'generate' || seconds === undefined || length === undefined
      ? {}
      : readOptions(new Map([[length, seconds]]));
  return { type: 'command', command, text, options, action: 'new' };
}

function send(
  context: SlackContext,
  submission: Submission,
  memory: FormMemory,
  intent: Intent,
): Promise<boolean> {
  const { channel, thread } = memory;
  const { user, view } = submission;
  return takeOver(context, {
    id: requestId('form', view.id),
    address: {
      user: user.id,
      ...(channel === undefined ? {} : { channel }),
      ...(thread === undefined ? {} : { thread }),
    },
    conversation: memory.conversation ?? directConversation(context.identity.team, user.id),
    intent,
    files: [...memory.files, ...remoteFiles(filledIn(submission).files)],
  });
}

async function refuse(ack: SubmissionAck, message: string): Promise<void> {
  const errors = { response_action: 'errors' as const, errors: { text: message } };
  await (ack as AckFn<ViewResponseAction>)(errors);
}
