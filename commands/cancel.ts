import type { CommandSpec } from '#commands/spec';

export const cancel: CommandSpec = {
  name: 'cancel',
  summary: 'Stop your latest job here, or the one whose id is given',
  usage: '[ID]',
  text: { name: 'id', required: false },
  options: [],
  switches: [],
  examples: ['/cancel'],
};
