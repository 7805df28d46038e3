import {
  type APIApplicationCommandBasicOption,
  type APIApplicationCommandOption,
  type APIApplicationCommandOptionChoice,
  type APIModalInteractionResponseCallbackData,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ComponentType,
  MessageFlags,
  type RESTPostAPIApplicationCommandsJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
  type RESTPostAPIChatInputApplicationCommandsJSONBody,
} from 'discord-api-types/v10';

/** A file as it came in a multipart request. */
export interface SentFile {
  name: string;
  type: string;
  bytes: Buffer;
}

/** Discord's published limits on what bots send, as a list of what is broken. */
export function messageProblems(
  body: RESTPostAPIChannelMessageJSONBody,
  files: readonly SentFile[],
  fileBytes: number,
): string[] {
  const check = new Check();
  const flags = body.flags ?? 0;
  check.longest('content', body.content, 2000);
  check.that(body.allowed_mentions?.parse?.length === 0, 'allowed_mentions.parse has to be empty');
  check.that(body.allowed_mentions?.users === undefined, 'nobody may be pinged by id');
  check.longest('nonce', body.nonce === undefined ? undefined : String(body.nonce), 25);
  check.that((body.components?.length ?? 0) <= 5, 'more than 5 rows');
  for (const row of body.components ?? []) {
    if (row.type !== ComponentType.ActionRow) {
      check.that((flags & MessageFlags.IsComponentsV2) !== 0, 'a component of version 2 without its flag');
      continue;
    }
    check.that(row.components.length >= 1 && row.components.length <= 5, 'a row holds 1 to 5 buttons');
    for (const button of row.components) {
      if (button.type !== ComponentType.Button || !('custom_id' in button)) continue;
      check.between('custom_id', button.custom_id, 1, 100);
      check.between('label of a button', button.label ?? '', 1, 80);
    }
  }
  const ids = (body.components ?? []).flatMap((row) =>
    'components' in row ? row.components.flatMap((one) => ('custom_id' in one ? [one.custom_id] : [])) : [],
  );
  check.that(new Set(ids).size === ids.length, 'the same custom_id twice');
  const attachments = (body.attachments ?? []) as Array<{
    id?: string | number;
    filename?: string;
    description?: string;
    duration_secs?: number;
    waveform?: string;
  }>;
  check.that(attachments.length <= 10 && files.length <= 10, 'more than 10 files');
  for (const attachment of attachments) {
    check.longest('description of a file', attachment.description, 1024);
    check.that(files[Number(attachment.id)] !== undefined, `no file for attachment ${attachment.id}`);
  }
  for (const file of files) check.that(file.bytes.length <= fileBytes, `${file.name} is too large`);
  if ((flags & MessageFlags.IsVoiceMessage) !== 0) {
    check.that(body.content === undefined && body.components === undefined, 'a voice message holds no more');
    check.that(files.length === 1 && files[0]?.type === 'audio/ogg', 'a voice message is one audio/ogg');
    check.that((attachments[0]?.duration_secs ?? 0) > 0, 'a voice message needs duration_secs');
    const waveform = Buffer.from(attachments[0]?.waveform ?? '', 'base64');
    check.that(waveform.length >= 1 && waveform.length <= 256, 'a waveform has 1 to 256 points');
  } else {
    const empty = !body.content && files.length === 0 && attachments.length === 0;
    check.that(!empty, 'a message may not be empty');
  }
  return check.problems;
}

export function commandProblems(commands: readonly RESTPostAPIApplicationCommandsJSONBody[]): string[] {
  const check = new Check();
  const kinds = new Map<ApplicationCommandType, number>();
  for (const command of commands) {
    const type = command.type ?? ApplicationCommandType.ChatInput;
    kinds.set(type, (kinds.get(type) ?? 0) + 1);
    if (type === ApplicationCommandType.ChatInput && 'description' in command) {
      const slash = command as RESTPostAPIChatInputApplicationCommandsJSONBody;
      named(check, slash);
      optionsOf(check, slash.options ?? []);
      check.that(characters(command) <= 8000, `${command.name} holds more than 8,000 characters`);
    } else {
      for (const name of [command.name, ...Object.values(command.name_localizations ?? {})]) {
        check.between('name of a message command', name ?? '', 1, 32);
      }
    }
  }
  check.that((kinds.get(ApplicationCommandType.ChatInput) ?? 0) <= 100, 'more than 100 slash commands');
  check.that((kinds.get(ApplicationCommandType.Message) ?? 0) <= 15, 'more than 15 message commands');
  const names = commands.map(({ type, name }) => `${type} ${name}`);
  check.that(new Set(names).size === names.length, 'a name twice');
  return check.problems;
}

export function modalProblems(modal: APIModalInteractionResponseCallbackData): string[] {
  const check = new Check();
  check.between('custom_id', modal.custom_id, 1, 100);
  check.between('title', modal.title, 1, 45);
  check.that(modal.components.length >= 1 && modal.components.length <= 5, 'a form has 1 to 5 parts');
  for (const part of modal.components) {
    if (part.type !== ComponentType.Label) {
      check.that(false, 'a text input stands in a label');
      continue;
    }
    check.between('label', part.label, 1, 45);
    const input = part.component;
    if (input.type !== ComponentType.TextInput) continue;
    check.between('custom_id', input.custom_id, 1, 100);
    check.longest('placeholder', input.placeholder, 100);
    check.that((input.max_length ?? 4000) <= 4000, 'max_length over 4,000');
    check.longest('value', input.value, input.max_length ?? 4000);
  }
  return check.problems;
}

export function choiceProblems(choices: readonly APIApplicationCommandOptionChoice[]): string[] {
  const check = new Check();
  check.that(choices.length <= 25, 'more than 25 choices');
  for (const { name, value } of choices) {
    check.between('name of a choice', name, 1, 100);
    if (typeof value === 'string') check.between('value of a choice', value, 1, 100);
  }
  return check.problems;
}

function optionsOf(check: Check, options: readonly APIApplicationCommandOption[]): void {
  check.that(options.length <= 25, 'more than 25 options');
  const languages = new Set(options.flatMap((option) => Object.keys(option.name_localizations ?? {})));
  const inLanguage = (language: string) =>
    options.map(({ name, name_localizations: names }) => names?.[language as 'de'] ?? name);
  for (const names of [options.map(({ name }) => name), ...[...languages].map(inLanguage)]) {
    check.that(new Set(names).size === names.length, `an option's name twice: ${names.join(', ')}`);
  }
  let optional = false;
  for (const option of options) {
    named(check, option);
    if (option.type === ApplicationCommandOptionType.Subcommand) {
      optionsOf(check, option.options ?? []);
      continue;
    }
    const { required = false } = option;
    check.that(!(optional && required), `${option.name} is required behind one that is not`);
    optional ||= !required;
    const { choices, autocomplete } = option as APIApplicationCommandBasicOption & {
      choices?: APIApplicationCommandOptionChoice[];
      autocomplete?: boolean;
    };
    check.that(
      !(choices !== undefined && choices.length > 0 && autocomplete === true),
      'choices and completion',
    );
    check.problems.push(...choiceProblems(choices ?? []));
  }
}

function named(
  check: Check,
  one: {
    name: string;
    description: string;
    name_localizations?: object | null | undefined;
    description_localizations?: object | null | undefined;
  },
): void {
  for (const name of [one.name, ...Object.values(one.name_localizations ?? {})] as string[]) {
    const fits = /^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u.test(name) && name === name.toLowerCase();
    check.that(fits, `"${name}" is no name of a slash command or option`);
  }
  for (const text of [one.description, ...Object.values(one.description_localizations ?? {})] as string[]) {
    check.between(`description of ${one.name}`, text, 1, 100);
  }
}

/** Names, descriptions and values together, the longest of all languages of each. */
function characters(part: object): number {
  const { name, description, name_localizations, description_localizations, options, choices, value } =
    part as Record<string, unknown>;
  const longest = (text: unknown, map: unknown) =>
    Math.max(0, ...[text, ...Object.values((map ?? {}) as object)].map((one) => String(one ?? '').length));
  const inner = [...((options ?? []) as object[]), ...((choices ?? []) as object[])];
  return (
    longest(name, name_localizations) +
    longest(description, description_localizations) +
    String(value ?? '').length +
    inner.reduce((sum, one) => sum + characters(one), 0)
  );
}

class Check {
  readonly problems: string[] = [];

  that(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  longest(what: string, text: string | undefined | null, most: number): void {
    this.that((text ?? '').length <= most, `${what} has more than ${most} characters`);
  }

  between(what: string, text: string, least: number, most: number): void {
    this.that(text.length >= least && text.length <= most, `${what} has ${text.length} characters: ${text}`);
  }
}
