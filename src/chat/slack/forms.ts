import type { types } from '@slack/bolt';
import { ask } from '#commands/ask';
import { describe } from '#commands/describe';
import { generate } from '#commands/generate';
import { remix } from '#commands/remix';
import { MAX_MUSIC_SECONDS, type RequestCommand } from '#contracts/request';
import { wordsFor } from '#src/chat/delivery/words';
import { type FormMemory, MAX_FILES, type Submission } from '#src/chat/slack/payloads';
import { cut } from '#src/chat/slack/text';

/** Names of the forms, as they come back when they are sent. */
export const FORMS = { request: 'mumu_request', ask: 'mumu_ask', remix: 'mumu_remix' } as const;

/** Longest text a field takes (Slack's limit). */
const FIELD_TEXT = 3000;
/** Longest title, label of a button (Slack's limits). */
const TITLE = 24;

/** Commands a form offers. */
const COMMANDS = [describe, ask, generate, remix] as const;

/** One place for everything: files, what to do with them, and how. */
export function requestForm(memory: FormMemory): types.ModalView {
  return modal(FORMS.request, 'mumu', memory, [
    {
      type: 'input',
      block_id: 'command',
      label: plain('What to do'),
      element: {
        type: 'static_select',
        action_id: 'value',
        options: COMMANDS.map(({ name, summary }) => ({ text: plain(cut(summary, 75)), value: name })),
        initial_option: { text: plain(cut(describe.summary, 75)), value: describe.name },
      },
    },
    {
      type: 'input',
      block_id: 'files',
      optional: true,
      label: plain('Songs, pictures, clips'),
      element: { type: 'file_input', action_id: 'value', max_files: MAX_FILES },
    },
    {
      type: 'input',
      block_id: 'text',
      optional: true,
      label: plain('Question, prompt or instruction'),
      element: { type: 'plain_text_input', action_id: 'value', multiline: true, max_length: FIELD_TEXT },
    },
    {
      type: 'input',
      block_id: 'seconds',
      optional: true,
      label: plain('Length of new music, seconds'),
      element: {
        type: 'number_input',
        action_id: 'value',
        is_decimal_allowed: false,
        min_value: '1',
        max_value: String(MAX_MUSIC_SECONDS),
      },
    },
  ]);
}

/** Asks for the question about a message's files. */
export function askForm(memory: FormMemory): types.ModalView {
  return modal(FORMS.ask, 'Ask about this', memory, [textField('Question', '')]);
}

/** Asks how a track should change. */
export function remixForm(memory: FormMemory, instruction: string, locale?: string): types.ModalView {
  const words = wordsFor(locale);
  return modal(FORMS.remix, words.remixTitle, memory, [textField(words.remixLabel, instruction)]);
}

/** What was filled in. */
export function filledIn({ view }: Submission): {
  command: RequestCommand | undefined;
  text: string;
  seconds: string | undefined;
  files: unknown;
} {
  const field = (block: string) => view.state.values[block]?.value;
  const chosen = field('command')?.selected_option?.value;
  const seconds = field('seconds')?.value ?? '';
  return {
    command: COMMANDS.map(({ name }) => name).find((name) => name === chosen) as RequestCommand | undefined,
    text: field('text')?.value ?? '',
    seconds: seconds === '' ? undefined : seconds,
    files: field('files')?.files,
  };
}

function modal(name: string, title: string, memory: FormMemory, blocks: types.KnownBlock[]): types.ModalView {
  return {
    type: 'modal',
    callback_id: name,
    title: plain(cut(title, TITLE)),
    submit: plain('Send'),
    close: plain('Cancel'),
    private_metadata: JSON.stringify(memory),
    blocks,
  };
}

function textField(label: string, initial: string): types.KnownBlock {
  return {
    type: 'input',
    block_id: 'text',
    label: plain(cut(label, 2000)),
    element: {
      type: 'plain_text_input',
      action_id: 'value',
      multiline: true,
      max_length: FIELD_TEXT,
      ...(initial === '' ? {} : { initial_value: cut(initial, FIELD_TEXT) }),
    },
  };
}

export function plain(text: string): types.PlainTextElement {
  return { type: 'plain_text', text };
}
