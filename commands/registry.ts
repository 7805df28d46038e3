import { ask } from '#commands/ask';
import { cancel } from '#commands/cancel';
import { describe } from '#commands/describe';
import { generate } from '#commands/generate';
import { help } from '#commands/help';
import { queue } from '#commands/queue';
import { remix } from '#commands/remix';
import { settings } from '#commands/settings';
import type { CommandName, CommandSpec } from '#commands/spec';
import { MumuError } from '#contracts/errors';

/** Every command, in the order help shows them. */
export const COMMANDS: readonly CommandSpec[] = [
  ask,
  describe,
  generate,
  remix,
  queue,
  cancel,
  settings,
  help,
];

/**
 * The command of a name, however it is capitalised.
 * @throws MumuError invalid_input naming the commands there are.
 */
export function commandNamed(name: string): CommandSpec {
  const found = COMMANDS.find((command) => command.name === name.toLowerCase());
  if (found !== undefined) return found;
  const names = COMMANDS.map((command) => `/${command.name}`).join(', ');
  throw new MumuError('invalid_input', `There is no command /${name.slice(0, 30)}: there are ${names}.`);
}

/** Help in plain lines: all commands, or one with its options. */
export function helpText(topic?: CommandName): string {
  if (topic === undefined) {
    const lines = COMMANDS.map((command) => `${title(command)}: ${command.summary}.`);
    return [
      ...lines,
      'Without a slash, a question or a file is answered; "compose ..." makes music; "slower", "add a flute" and the like change the last track.',
    ].join('\n');
  }
  const command = commandNamed(topic);
  return [
    `${title(command)}: ${command.summary}.`,
    ...(command.attachments === undefined ? [] : [`Files: ${command.attachments.summary}`]),
    ...command.options.map((option) => `--${option.flag} ${option.placeholder}: ${option.summary}.`),
    ...command.switches.map((flag) => `--${flag.flag}: ${flag.summary}.`),
    ...(command.words ?? []).map(
      ({ word, placeholder, summary }) => `/${command.name} ${word} ${placeholder}: ${summary}.`,
    ),
    ...command.examples.map((example) => `Example: ${example}`),
  ].join('\n');
}

function title(command: CommandSpec): string {
  return `/${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`;
}
