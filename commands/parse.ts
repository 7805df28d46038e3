import { readOptions } from '#commands/options';
import { COMMANDS, commandNamed } from '#commands/registry';
import { parseSettings, type SettingsLine } from '#commands/settings';
import type { CommandName, CommandSpec, OptionSpec } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import {
  MAX_TEXT_LENGTH,
  type MediaKind,
  type RequestCommand,
  type RequestOptions,
} from '#contracts/request';

/** What a line asks for. */
export type ParsedLine =
  | {
      command: RequestCommand;
      text: string;
      options: RequestOptions;
      /** For generate: whether a track is continued. */
      action: 'new' | 'extend';
    }
  | { command: 'queue' }
  | { command: 'cancel'; id?: string }
  | SettingsLine
  | { command: 'help'; topic?: CommandName };

/** What a line comes with. */
export interface LineContext {
  attachments: ReadonlyArray<{ kind: MediaKind }>;
  /** Whether the conversation has a track that a message may be about. */
  hasTrack?: boolean;
}

/**
 * Reads what a user typed: a command line (`/generate a calm waltz --seconds 20`) or plain words.
 * @throws MumuError invalid_input for an unknown command or option, a value out of range, or text that is
 *   missing or too long.
 */
export function parseCommandLine(line: string, context: LineContext): ParsedLine {
  const typed = line.trim();
  const slash = /^\/([\p{L}\d_-]+)(?:\s+|$)/u.exec(typed);
  if (slash === null) return parseWords(typed, context);
  const spec = commandNamed(slash[1] ?? '');
  if (spec.name === 'settings') return parseSettings(typed.slice(slash[0].length));
  const { text, values, switches } = splitOptions(typed.slice(slash[0].length), spec);
  switch (spec.name) {
    case 'queue':
      return { command: 'queue' };
    case 'cancel':
      return text === '' ? { command: 'cancel' } : { command: 'cancel', id: text };
    case 'help':
      return text === ''
        ? { command: 'help' }
        : { command: 'help', topic: commandNamed(text.replace(/^\//, '')).name };
    default:
      return {
        command: spec.name,
        text: checkText(text, spec),
        options: readOptions(values),
        action: switches.has('extend') ? 'extend' : 'new',
      };
  }
}

/** Whether a line is a command that is answered at once: help, queue, cancel, settings. */
export function isDirectLine(line: string): boolean {
  const name = /^\s*\/(\p{L}+)(?:\s|$)/u.exec(line)?.[1]?.toLowerCase();
  return COMMANDS.some((command) => command.name === name && command.attachments === undefined);
}

/** Verbs with which one asks for something new: "compose a march", "make me some calm music". */
const NEW_MUSIC =
  /^(?:please\s+)?(?:can you\s+|could you\s+|i(?:'d| would) like\s+|i want\s+)?(?:compose|generate|write|create|make|produce|play|give)\s+(?:(?:me|us)\s+)?(?:an?|some|music|something|new|another)\b/i;
/** Words with which one says how a track should change. */
const CHANGE =
  /^(?:please\s+)?(?:now\s+)?(?:(?:make|turn|play|pitch|slow|speed) (?:it|this|that|the)\b|(?:remix|slow|speed|pitch|transpose|tune|trim|cut|fade|reverse|loop|repeat|normali[sz]e|add|remove|replace|swap|mute|raise|lower|boost|reduce|shorten|double|halve|nightcore|slowed|more|less|fewer|louder|quieter|faster|slower|higher)\b|\d+(?:[.,]\d+)?\s*%\s)/i;

/** Words without a slash: what they most likely mean. A question is always a question. */
function parseWords(typed: string, context: LineContext): ParsedLine {
  const hasSound =
    context.hasTrack === true || context.attachments.some((attachment) => attachment.kind !== 'image');
  const plain = (command: RequestCommand): ParsedLine => ({
    command,
    text: checkText(typed, commandNamed(command)),
    options: {},
    action: 'new',
  });
  if (typed === '' && context.attachments.length > 0) return plain('describe');
  if (/[?？؟]/.test(typed)) return plain('ask');
  if (NEW_MUSIC.test(typed)) return plain('generate');
  if (hasSound && CHANGE.test(typed)) return plain('remix');
  return plain('ask');
}

/**
 * Takes the options out of a line; the rest is the text, as it was. A dash that a keyboard turned into a long one
 * counts as two.
 */
function splitOptions(
  rest: string,
  spec: CommandSpec,
): { text: string; values: Map<OptionSpec, string>; switches: Set<string> } {
  const values = new Map<OptionSpec, string>();
  const switches = new Set<string>();
  const text = rest.replace(
    /(^|\s)(?:--|—)([a-z][a-z-]*)(?:=(\S+)|\s+(?!--|—)(\S+))?/giu,
    (_whole, before: string, name: string, joined: string | undefined, next: string | undefined) => {
      const flag = name.toLowerCase();
      if (spec.switches.some((candidate) => candidate.flag === flag)) {
        switches.add(flag);
        // What stands behind a switch is text.
        return next === undefined ? before : `${before}${next}`;
      }
      const option = spec.options.find((candidate) => candidate.flag === flag);
      if (option === undefined) throw unknownOption(flag, spec);
      const value = joined ?? next;
      if (value === undefined) {
        throw new MumuError('invalid_input', `--${flag} needs a value: ${option.summary}.`);
      }
      values.set(option, value);
      return before;
    },
  );
  return { text: text.replace(/[ \t]{2,}/g, ' ').trim(), values, switches };
}

function unknownOption(flag: string, spec: CommandSpec): MumuError {
  const known = [...spec.options, ...spec.switches].map((option) => `--${option.flag}`);
  const hint = known.length === 0 ? 'it has no options' : `it has ${known.join(', ')}`;
  return new MumuError('invalid_input', `/${spec.name} has no option --${flag.slice(0, 30)}: ${hint}.`);
}

/** @throws MumuError invalid_input if the text is missing or too long. */
export function checkText(text: string, spec: CommandSpec): string {
  if (text.length > MAX_TEXT_LENGTH) {
    const length = text.length.toLocaleString('en');
    throw new MumuError(
      'invalid_input',
      `The text is ${length} characters long: at most ${MAX_TEXT_LENGTH.toLocaleString('en')} are taken.`,
    );
  }
  if (text.trim() === '' && spec.text?.required === true) {
    throw new MumuError('invalid_input', `/${spec.name} needs the ${spec.text.name} behind it.`);
  }
  return text;
}
