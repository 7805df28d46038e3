import type { CommandSpec } from '#commands/spec';

export const help: CommandSpec = {
  name: 'help',
  summary: 'Show the commands, or the options of one',
  usage: '[COMMAND]',
  text: { name: 'command', required: false },
  options: [],
  switches: [],
  examples: ['/help generate'],
};
