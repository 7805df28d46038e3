import type { CommandSpec } from '#commands/spec';

/** One thing that could be typed next. */
export interface Completion {
  /** The whole line with it in place. */
  line: string;
  /** What is shown. */
  label: string;
  summary: string;
}

/**
 * What could come next at the end of a line: commands behind a slash, options behind dashes, values behind an
 * option that has choices. Pure over the commands, so that a page may use those it got from the server.
 */
export function complete(line: string, commands: readonly CommandSpec[]): Completion[] {
  const name = /^\/([\p{L}]*)$/u.exec(line);
  if (name !== null) {
    return commands
      .filter((command) => command.name.startsWith((name[1] ?? '').toLowerCase()))
      .map((command) => ({
        line: `/${command.name} `,
        label: `/${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`,
        summary: command.summary,
      }));
  }
  const command = commands.find((candidate) => line.toLowerCase().startsWith(`/${candidate.name} `));
  if (command === undefined) return [];
  const behind = wordsBehind(line, command);
  if (behind !== undefined) return behind;
  const value = /^(.*\s--([a-z-]+)[ =])([^\s]*)$/is.exec(line);
  if (value !== null) {
    const option = command.options.find((candidate) => candidate.flag === value[2]?.toLowerCase());
    return (option?.choices ?? [])
      .filter((choice) => choice.startsWith((value[3] ?? '').toLowerCase()))
      .map((choice) => ({ line: `${value[1]}${choice} `, label: choice, summary: option?.summary ?? '' }));
  }
  const flag = /^(.*\s)-{1,2}([a-z-]*)$/is.exec(line);
  if (flag === null) {
    const topic = /^\/help\s+\/?(\p{L}*)$/iu.exec(line);
    if (topic === null) return [];
    return commands
      .filter((candidate) => candidate.name.startsWith((topic[1] ?? '').toLowerCase()))
      .map((candidate) => ({
        line: `/help ${candidate.name}`,
        label: candidate.name,
        summary: candidate.summary,
      }));
  }
  const options = command.options.map((option) => ({
    ...option,
    label: `--${option.flag} ${option.placeholder}`,
  }));
  const switches = command.switches.map((option) => ({ ...option, label: `--${option.flag}` }));
  return [...options, ...switches]
    .filter((option) => option.flag.startsWith((flag[2] ?? '').toLowerCase()))
    .filter((option) => !line.slice(0, (flag[1] ?? '').length).includes(`--${option.flag} `))
    .map((option) => ({
      line: `${flag[1]}--${option.flag} `,
      label: option.label,
      summary: option.summary,
    }));
}

/** Words right behind a command's name, and what may follow them; undefined for a command that has none. */
function wordsBehind(line: string, command: CommandSpec): Completion[] | undefined {
  if (command.words === undefined) return undefined;
  const [, first = '', second] = /^\/\S+\s+(\S*)(?:\s+(\S*))?$/.exec(line) ?? [];
  const start = `/${command.name}`;
  if (second === undefined) {
    return command.words
      .filter(({ word }) => word.startsWith(first.toLowerCase()))
      .map(({ word, placeholder, summary }) => {
        return { line: `${start} ${word} `, label: `${word} ${placeholder}`, summary };
      });
  }
  const word = command.words.find((candidate) => candidate.word === first.toLowerCase());
  return (word?.choices ?? [])
    .filter((choice) => choice.toLowerCase().startsWith(second.toLowerCase()))
    .map((choice) => ({ line: `${start} ${first} ${choice}`, label: choice, summary: word?.summary ?? '' }));
}
