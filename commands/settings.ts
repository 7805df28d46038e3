import { MUSIC_OPTIONS, readOptions } from '#commands/options';
import type { CommandSpec, WordSpec } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import { LANGUAGES, type SettingKey, settingsSchema, type UserSettings } from '#contracts/settings';

/** One thing a person may set. */
export interface SettingSpec extends WordSpec {
  key: SettingKey;
}

const FORMATS = settingsSchema.shape.format.unwrap().options;

function fromOption(key: Exclude<SettingKey, 'voice' | 'language'>): SettingSpec {
  const option = MUSIC_OPTIONS.find((candidate) => candidate.key === key);
  if (option === undefined) throw new Error(`no option ${key}`);
  const { flag, placeholder, summary } = option;
  return { key, word: flag, placeholder, summary };
}

/** All settings, in the order in which they are shown. */
export const SETTINGS: readonly SettingSpec[] = [
  fromOption('seconds'),
  fromOption('guidance'),
  { key: 'format', word: 'format', placeholder: 'FORMAT', summary: 'format of new music', choices: FORMATS },
  fromOption('temperature'),
  fromOption('topP'),
  fromOption('pack'),
  {
    key: 'voice',
    word: 'voice',
    placeholder: 'on|off',
    summary: 'music as a voice message, where the platform has them',
    choices: ['on', 'off'],
  },
  {
    key: 'language',
    word: 'language',
    placeholder: 'LANGUAGE',
    summary: 'language of the status messages',
    choices: LANGUAGES,
  },
];

export const settings: CommandSpec = {
  name: 'settings',
  summary: 'Show or change what all of your requests start from, or have everything of yours deleted',
  usage: '[NAME VALUE | reset | forget me]',
  text: { name: 'setting', required: false },
  options: [],
  switches: [],
  words: [
    ...SETTINGS,
    { word: 'reset', placeholder: '[NAME]', summary: 'take one setting back, or all' },
    {
      word: 'forget',
      placeholder: 'me',
      summary: 'delete everything you gave: requests, files, results and settings',
      choices: ['me'],
    },
  ],
  examples: ['/settings', '/settings seconds 20', '/settings reset seconds', '/settings forget me'],
};

/** What is asked of the settings. */
export type SettingsLine =
  | { command: 'settings'; action: 'show' }
  | { command: 'settings'; action: 'set'; key: SettingKey; value: string | number | boolean }
  | { command: 'settings'; action: 'reset'; key?: SettingKey }
  | { command: 'settings'; action: 'forget' };

/**
 * Reads what stands behind `/settings`: nothing, `seconds 20`, `seconds=20`, `reset`, `reset seconds`, `forget me`.
 * @throws MumuError invalid_input naming the settings there are, or what a setting takes.
 */
export function parseSettings(text: string): SettingsLine {
  const [first = '', ...rest] = text
    .trim()
    .split(/[\s=:]+/)
    .filter((part) => part !== '');
  const word = first.toLowerCase();
  const value = rest.join(' ');
  if (word === '' || word === 'show') return { command: 'settings', action: 'show' };
  if (word === 'reset') {
    return value === ''
      ? { command: 'settings', action: 'reset' }
      : { command: 'settings', action: 'reset', key: settingNamed(value).key };
  }
  if (word === 'forget') {
    // Not undone by anything: it takes both words.
    if (value.toLowerCase() === 'me') return { command: 'settings', action: 'forget' };
    throw new MumuError('invalid_input', 'To have everything of yours deleted, say "/settings forget me".');
  }
  const spec = settingNamed(word);
  if (value === '') throw new MumuError('invalid_input', takes(spec));
  return { command: 'settings', action: 'set', key: spec.key, value: readSetting(spec, value) };
}

/** @throws MumuError invalid_input */
export function settingNamed(name: string): SettingSpec {
  const plain = name.replace(/^(?:--|—)/, '').toLowerCase();
  const found = SETTINGS.find(({ word, key }) => word === plain || key.toLowerCase() === plain);
  if (found !== undefined) return found;
  const names = SETTINGS.map(({ word }) => word).join(', ');
  throw new MumuError('invalid_input', `There is no setting ${name.slice(0, 30)}: there are ${names}.`);
}

function readSetting(spec: SettingSpec, value: string): string | number | boolean {
  const { key, choices } = spec;
  if (key === 'voice') {
    if (/^(?:on|yes|true|1)$/i.test(value)) return true;
    if (/^(?:off|no|false|0)$/i.test(value)) return false;
    throw new MumuError('invalid_input', takes(spec));
  }
  if (choices !== undefined) {
    const chosen = choices.find((choice) => choice.toLowerCase() === value.toLowerCase());
    if (chosen === undefined) throw new MumuError('invalid_input', takes(spec));
    return chosen;
  }
  const option = MUSIC_OPTIONS.find((candidate) => candidate.key === key);
  const read = option === undefined ? undefined : readOptions(new Map([[option, value]]))[option.key];
  if (read === undefined) throw new MumuError('invalid_input', takes(spec));
  return read;
}

function takes({ word, summary, choices }: SettingSpec): string {
  return choices === undefined
    ? `${word} needs a value: ${summary}.`
    : `${word} takes one of ${choices.join(', ')}.`;
}

/** The settings in plain lines. */
export function settingsText(values: UserSettings): string {
  const lines = SETTINGS.map(({ key, word }) => {
    const value = values[key];
    if (value === undefined) return `${word}: ${key === 'language' ? 'the platform’s' : 'not set'}`;
    return `${word}: ${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`;
  });
  return [...lines, 'Change one with "/settings NAME VALUE", take it back with "/settings reset NAME".'].join(
    '\n',
  );
}
