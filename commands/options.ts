import type { OptionSpec } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import { MAX_MUSIC_SECONDS, optionsSchema, type RequestOptions } from '#contracts/request';

const seed: OptionSpec = {
  key: 'seed',
  flag: 'seed',
  summary: 'the same seed gives the same answer; drawn if left out',
  placeholder: 'N',
  minimum: 0,
  maximum: 0xffffffff,
  whole: true,
};
const temperature: OptionSpec = {
  key: 'temperature',
  flag: 'temperature',
  summary: 'how freely words are chosen, 0 (always the likeliest) to 2',
  placeholder: 'N',
  minimum: 0,
  maximum: 2,
};
const topP: OptionSpec = {
  key: 'topP',
  flag: 'top-p',
  summary: 'choose among the likeliest words that together have this probability, above 0 to 1',
  placeholder: 'N',
  minimum: 0,
  maximum: 1,
};
const pack: OptionSpec = {
  key: 'pack',
  flag: 'pack',
  summary: 'name of the model pack that answers',
  placeholder: 'NAME',
};
const guidance: OptionSpec = {
  key: 'guidance',
  flag: 'guidance',
  summary: 'how closely music follows the words, 1 to 10',
  placeholder: 'N',
  minimum: 1,
  maximum: 10,
};
const seconds: OptionSpec = {
  key: 'seconds',
  flag: 'seconds',
  summary: `length of new music, 1 to ${MAX_MUSIC_SECONDS} seconds`,
  placeholder: 'N',
  minimum: 1,
  maximum: MAX_MUSIC_SECONDS,
};
const conditioning: OptionSpec = {
  key: 'conditioning',
  flag: 'conditioning',
  summary: 'what leads the music: the model’s own condition (projector) or its caption',
  placeholder: 'KIND',
  choices: ['projector', 'caption'],
};
const format: OptionSpec = {
  key: 'format',
  flag: 'format',
  summary: 'format of the file: wav, mp3, ogg, flac, or mp4 where the source is a clip',
  placeholder: 'FORMAT',
  choices: ['wav', 'mp3', 'ogg', 'flac', 'mp4'],
};

/** Settings of every answer in words. */
export const TEXT_OPTIONS: readonly OptionSpec[] = [seed, temperature, topP, pack];
/** Settings where music comes out. */
export const MUSIC_OPTIONS: readonly OptionSpec[] = [
  seconds,
  guidance,
  conditioning,
  format,
  ...TEXT_OPTIONS,
];
/** A remix keeps the length of what it is made from. */
export const REMIX_OPTIONS: readonly OptionSpec[] = MUSIC_OPTIONS.filter((option) => option !== seconds);

/**
 * Reads the values of options, as typed.
 * @throws MumuError invalid_input naming the option and what it takes.
 */
export function readOptions(values: ReadonlyMap<OptionSpec, string>): RequestOptions {
  const read: Record<string, unknown> = {};
  for (const [option, value] of values) read[option.key] = readValue(option, value);
  const checked = optionsSchema.safeParse(read);
  if (checked.success) return checked.data;
  const key = checked.error.issues[0]?.path[0];
  const option = [...values.keys()].find((candidate) => candidate.key === key);
  throw option === undefined ? new MumuError('invalid_input', 'An option cannot be read.') : refusal(option);
}

function readValue(option: OptionSpec, value: string): string | number {
  if (option.choices !== undefined) {
    const chosen = option.choices.find((choice) => choice === value.toLowerCase());
    if (chosen === undefined) throw refusal(option);
    return chosen;
  }
  if (option.minimum === undefined || option.maximum === undefined) return value;
  // "20s" and "0,5" are how people write them.
  const number = Number(value.replace(/^(\d+(?:[.,]\d+)?)\s?s(?:ec(?:onds)?)?$/i, '$1').replace(',', '.'));
  const fits = value.trim() !== '' && number >= option.minimum && number <= option.maximum;
  if (!fits || (option.whole === true && !Number.isInteger(number))) throw refusal(option);
  return number;
}

function refusal(option: OptionSpec): MumuError {
  const { flag, choices, minimum, maximum, whole } = option;
  if (choices !== undefined) {
    return new MumuError('invalid_input', `--${flag} takes one of ${choices.join(', ')}.`);
  }
  if (minimum === undefined || maximum === undefined) {
    return new MumuError(
      'invalid_input',
      `--${flag} takes a name of lower-case letters, digits, dots and dashes.`,
    );
  }
  const what = whole === true ? 'a whole number' : 'a number';
  const from = option.key === 'topP' ? 'above 0' : `from ${minimum}`;
  return new MumuError('invalid_input', `--${flag} takes ${what} ${from} to ${maximum}.`);
}
