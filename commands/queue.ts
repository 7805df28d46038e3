import type { CommandSpec } from '#commands/spec';

export const queue: CommandSpec = {
  name: 'queue',
  summary: 'Show what waits and runs',
  usage: '',
  options: [],
  switches: [],
  examples: ['/queue'],
};
