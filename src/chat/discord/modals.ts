import { type APIModalInteractionResponseCallbackData, ComponentType, TextInputStyle } from 'discord.js';
import { commandNamed } from '#commands/registry';
import { MAX_TEXT_LENGTH } from '#contracts/request';
import { wordsFor } from '#src/chat/delivery/words';
import { encodeOwned } from '#src/chat/discord/custom-id';
import { cut, LIMITS } from '#src/chat/discord/limits';
import { discordWords } from '#src/chat/discord/words';

/** What a form opened on a message is for. */
export type FormPurpose = 'ask' | 'remix';

/** A form that asks how the track of a result should change. */
export function remixModal(
  of: string,
  owner: string,
  instruction: string,
  locale: string,
): APIModalInteractionResponseCallbackData {
  const { remixTitle, remixLabel } = wordsFor(locale);
  return modal(encodeOwned('remix', of, owner), remixTitle, remixLabel, 'remix', instruction);
}

/** A form for what a command on a message needs to know besides the message. */
export function messageModal(
  purpose: FormPurpose,
  id: string,
  locale: string,
): APIModalInteractionResponseCallbackData {
  const { remixTitle, remixLabel } = wordsFor(locale);
  const { askTitle, askLabel } = discordWords(locale);
  return purpose === 'ask'
    ? modal(`form:ask:${id}`, askTitle, askLabel, 'ask', '')
    : modal(`form:remix:${id}`, remixTitle, remixLabel, 'remix', '');
}

/** Undefined for what is no form opened on a message. */
export function decodeForm(customId: string): { purpose: FormPurpose; id: string } | undefined {
  const [, purpose, id] = /^form:(ask|remix):(\d{1,20})$/.exec(customId) ?? [];
  if (id === undefined || (purpose !== 'ask' && purpose !== 'remix')) return undefined;
  return { purpose, id };
}

function modal(
  customId: string,
  title: string,
  label: string,
  command: FormPurpose,
  value: string,
): APIModalInteractionResponseCallbackData {
  const example = commandNamed(command).examples[0]?.replace(/^\/\S+\s*/, '') ?? '';
  return {
    custom_id: customId,
    title: cut(title, LIMITS.modalTitle),
    components: [
      {
        type: ComponentType.Label,
        label: cut(label, LIMITS.label),
        component: {
          type: ComponentType.TextInput,
          custom_id: 'text',
          style: TextInputStyle.Paragraph,
          required: true,
          max_length: Math.min(MAX_TEXT_LENGTH, LIMITS.inputValue),
          placeholder: cut(example, LIMITS.placeholder),
          ...(value === '' ? {} : { value: cut(value, LIMITS.inputValue) }),
        },
      },
    ],
  };
}
