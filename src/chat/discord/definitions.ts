import {
  type APIApplicationCommandBasicOption,
  type APIApplicationCommandOption,
  type APIApplicationCommandSubcommandOption,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
  type LocalizationMap,
  type RESTPostAPIApplicationCommandsJSONBody,
  type RESTPostAPIChatInputApplicationCommandsJSONBody,
} from 'discord.js';
import { COMMANDS, commandNamed } from '#commands/registry';
import { SETTINGS } from '#commands/settings';
import type { CommandName, CommandSpec, OptionSpec } from '#commands/spec';
import { cut, LIMITS } from '#src/chat/discord/limits';
import {
  type FieldName,
  LOCALISATIONS,
  type Localisation,
  type SettingsAction,
  type ShortcutName,
  TRANSLATIONS,
  type Wording,
} from '#src/chat/discord/localisations';

/** Files that a slash command offers: each is a field of its own in Discord's form, so not all ten. */
const FILE_FIELDS = 3;

/** Names of the commands on a message, in English, which is how Discord hands them back. */
export const SHORTCUTS: Readonly<Record<ShortcutName, string>> = {
  ask: 'Ask about this',
  generate: 'Music for this',
  remix: 'Remix this',
};

/** How the words behind a command are called in Discord's form. */
export const TEXT_FIELDS = {
  ask: 'question',
  describe: 'focus',
  generate: 'prompt',
  remix: 'instruction',
  cancel: 'id',
  help: 'topic',
} as const satisfies Partial<Record<CommandName, FieldName>>;

/** Where commands can be used: installed to a server or to a person, in servers, with the bot, and elsewhere. */
const EVERYWHERE = {
  integration_types: [ApplicationIntegrationType.GuildInstall, ApplicationIntegrationType.UserInstall],
  contexts: [
    InteractionContextType.Guild,
    InteractionContextType.BotDM,
    InteractionContextType.PrivateChannel,
  ],
};

/** All commands as Discord takes them, made from the same descriptions as every other surface. */
export function commandDefinitions(): RESTPostAPIApplicationCommandsJSONBody[] {
  return [...COMMANDS.map(slashCommand), ...shortcuts()];
}

/** Name of the n-th file field, from 0. */
export function fileField(place: number): string {
  return place === 0 ? 'file' : `file-${place + 1}`;
}

function slashCommand(spec: CommandSpec): RESTPostAPIChatInputApplicationCommandsJSONBody {
  return {
    type: ApplicationCommandType.ChatInput,
    ...named(spec.name, spec.summary, (language) => language.commands[spec.name]),
    ...EVERYWHERE,
    options: spec.name === 'settings' ? settingsActions() : options(spec),
  };
}

function options(spec: CommandSpec): APIApplicationCommandOption[] {
  const files = Math.min(FILE_FIELDS, spec.attachments?.maximum ?? 0);
  const all: APIApplicationCommandBasicOption[] = [
    ...textField(spec),
    ...Array.from({ length: files }, (_, place) => attachmentField(spec, place)),
    ...spec.options.map(settingField),
    ...spec.switches.map(({ flag, summary }): APIApplicationCommandBasicOption => {
      return { type: ApplicationCommandOptionType.Boolean, ...field(flag as FieldName, summary) };
    }),
    ...(makesMusic(spec) ? [voiceField()] : []),
  ];
  // Discord wants what is required first.
  return all.sort((one, other) => Number(other.required ?? false) - Number(one.required ?? false));
}

function makesMusic(spec: CommandSpec): boolean {
  return spec.options.some(({ key }) => key === 'format');
}

function textField(spec: CommandSpec): APIApplicationCommandBasicOption[] {
  if (spec.text === undefined || !(spec.name in TEXT_FIELDS)) return [];
  const name = TEXT_FIELDS[spec.name as keyof typeof TEXT_FIELDS];
  const base = { type: ApplicationCommandOptionType.String, required: spec.text.required } as const;
  if (spec.name === 'help') {
    const choices = COMMANDS.map((command) => ({
      name: command.name,
      value: command.name,
      name_localizations: localised((language) => language.commands[command.name][0]),
    }));
    return [{ ...base, ...field(name, 'the command to explain'), choices }];
  }
  if (spec.name === 'cancel') {
    return [{ ...base, ...field(name, 'id of the job'), autocomplete: true }];
  }
  const example = spec.examples.map((line) => line.replace(/^\/\S+\s*/, '')).find((line) => line !== '');
  const summary = example === undefined ? spec.text.name : `${spec.text.name}, such as: ${example}`;
  // What is typed elsewhere is checked against the same length at intake.
  return [{ ...base, ...field(name, summary), max_length: LIMITS.inputValue }];
}

function attachmentField(spec: CommandSpec, place: number): APIApplicationCommandBasicOption {
  const kinds = { audio: 'a song', image: 'a picture', video: 'a clip' };
  const list = (spec.attachments?.kinds ?? []).map((kind) => kinds[kind]).join(', ');
  const wording = field('file', list);
  const number = place === 0 ? '' : `-${place + 1}`;
  return {
    ...{ type: ApplicationCommandOptionType.Attachment, ...wording, name: fileField(place) },
    name_localizations: localised((language) => `${language.fields.file[0]}${number}`),
    // The last track here may stand in for it.
    required: false,
  };
}

function settingField(option: OptionSpec): APIApplicationCommandBasicOption {
  const base = field(option.key, option.summary, option.flag);
  if (option.choices !== undefined) {
    const choices = option.choices.map((choice) => ({ name: choice, value: choice }));
    return { type: ApplicationCommandOptionType.String, ...base, choices };
  }
  if (option.minimum === undefined || option.maximum === undefined) {
    return { type: ApplicationCommandOptionType.String, ...base, autocomplete: true };
  }
  const range = { min_value: option.minimum, max_value: option.maximum };
  return option.whole === true
    ? { type: ApplicationCommandOptionType.Integer, ...base, ...range, autocomplete: true }
    : { type: ApplicationCommandOptionType.Number, ...base, ...range };
}

function voiceField(): APIApplicationCommandBasicOption {
  return { type: ApplicationCommandOptionType.Boolean, ...field('voice', 'the music as a voice message') };
}

function settingsActions(): APIApplicationCommandSubcommandOption[] {
  const choices = SETTINGS.map(({ word }) => ({ name: word, value: word }));
  const setting = (required: boolean): APIApplicationCommandBasicOption => ({
    type: ApplicationCommandOptionType.String,
    ...field('setting', 'the setting'),
    required,
    choices,
  });
  const value: APIApplicationCommandBasicOption = {
    ...{ type: ApplicationCommandOptionType.String, ...field('value', 'its new value'), required: true },
    autocomplete: true,
  };
  const word = (name: string) => commandNamed('settings').words?.find((one) => one.word === name)?.summary;
  return [
    settingsAction('show', 'show your settings', []),
    settingsAction('set', 'change a setting', [setting(true), value]),
    settingsAction('reset', word('reset') ?? 'take settings back', [setting(false)]),
    settingsAction('forget-me', word('forget') ?? 'delete everything you gave', []),
  ];
}

function settingsAction(
  name: SettingsAction,
  summary: string,
  fields: APIApplicationCommandBasicOption[],
): APIApplicationCommandSubcommandOption {
  return {
    type: ApplicationCommandOptionType.Subcommand,
    ...named(name, summary, (language) => language.settings[name]),
    options: fields,
  };
}

function shortcuts(): RESTPostAPIApplicationCommandsJSONBody[] {
  return (Object.keys(SHORTCUTS) as ShortcutName[]).map((shortcut) => ({
    type: ApplicationCommandType.Message,
    name: SHORTCUTS[shortcut],
    name_localizations: localised((language) => language.shortcuts[shortcut]),
    ...EVERYWHERE,
  }));
}

function field(key: FieldName, summary: string, name: string = key) {
  return named(name, summary, (language) => language.fields[key]);
}

function named(name: string, summary: string, wording: (language: Localisation) => Wording) {
  return {
    name,
    description: cut(sentence(summary), LIMITS.description),
    name_localizations: localised((language) => wording(language)[0]),
    description_localizations: localised((language) => wording(language)[1]),
  };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Spanish is one language here, and two in Discord. */
function localised(pick: (language: Localisation) => string): LocalizationMap {
  const map: LocalizationMap = {};
  for (const name of TRANSLATIONS) map[name] = pick(LOCALISATIONS[name]);
  map['es-419'] = pick(LOCALISATIONS['es-ES']);
  return map;
}
