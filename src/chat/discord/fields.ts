import {
  type APIApplicationCommandInteractionDataBasicOption,
  type APIApplicationCommandInteractionDataOption,
  type APIAttachment,
  type APIChatInputApplicationCommandInteractionData,
  type APIModalSubmission,
  ApplicationCommandOptionType,
} from 'discord.js';
import { readOptions } from '#commands/options';
import type { CommandSpec, OptionSpec } from '#commands/spec';
import type { RequestCommand, RequestOptions } from '#contracts/request';
import type { RemoteFile } from '#src/chat/delivery/types';
import { fileField, TEXT_FIELDS } from '#src/chat/discord/definitions';
import { LIMITS } from '#src/chat/discord/limits';
import { remoteFile } from '#src/chat/discord/receipts';

/** What a slash command for the models was filled in with. */
export interface Filled {
  text: string;
  options: RequestOptions;
  action: 'new' | 'extend';
  voice: boolean | undefined;
  files: RemoteFile[];
}

/**
 * Reads a slash command's fields by its description.
 * @throws MumuError invalid_input naming the option and what it takes.
 */
export function readFields(
  data: APIChatInputApplicationCommandInteractionData,
  spec: CommandSpec & { name: RequestCommand },
): Filled {
  const fields = valuesOf(data.options);
  const values = new Map<OptionSpec, string>();
  for (const option of spec.options) {
    const value = fields.get(option.flag);
    if (value !== undefined) values.set(option, String(value));
  }
  const voice = fields.get('voice');
  return {
    text: String(fields.get(TEXT_FIELDS[spec.name]) ?? '').trim(),
    options: readOptions(values),
    action: fields.get('extend') === true ? 'extend' : 'new',
    voice: typeof voice === 'boolean' ? voice : undefined,
    files: filesIn(fields, data.resolved?.attachments ?? {}),
  };
}

/** A direct command as the line it would be elsewhere, which its own parser reads. */
export function lineOf(data: APIChatInputApplicationCommandInteractionData): string {
  const [first] = data.options ?? [];
  if (first?.type === ApplicationCommandOptionType.Subcommand) {
    const fields = valuesOf(first.options);
    const setting = fields.get('setting') ?? '';
    const value = fields.get('value') ?? '';
    const words = { show: '', set: `${setting} ${value}`, reset: `reset ${setting}` }[first.name];
    return `/${data.name} ${words ?? first.name.replace('-', ' ')}`.trim();
  }
  return [`/${data.name}`, ...valuesOf(data.options).values()].join(' ');
}

export function valuesOf(
  options: readonly APIApplicationCommandInteractionDataOption[] | undefined,
): Map<string, string | number | boolean> {
  const basic = (options ?? []).filter(
    (option): option is APIApplicationCommandInteractionDataBasicOption => 'value' in option,
  );
  return new Map(basic.map(({ name, value }) => [name, value]));
}

/** What was typed into a form of one field. */
export function textOf(data: APIModalSubmission): string {
  for (const component of data.components) {
    const inner =
      'component' in component
        ? [component.component]
        : 'components' in component
          ? component.components
          : [];
    for (const field of inner)
      if ('value' in field && typeof field.value === 'string') return field.value.trim();
  }
  return '';
}

function filesIn(
  fields: ReadonlyMap<string, string | number | boolean>,
  attachments: Readonly<Record<string, APIAttachment>>,
): RemoteFile[] {
  const files: RemoteFile[] = [];
  for (let place = 0; place < LIMITS.files; place += 1) {
    const attachment = attachments[String(fields.get(fileField(place)) ?? '')];
    if (attachment !== undefined) files.push(remoteFile(attachment));
  }
  return files;
}
