import { TEXT_OPTIONS } from '#commands/options';
import type { CommandSpec } from '#commands/spec';

export const describe: CommandSpec = {
  name: 'describe',
  summary: 'Describe a song, a picture or a clip',
  usage: '',
  text: { name: 'what to look out for', required: false },
  attachments: {
    summary: 'What is described; without a file it is the last track here.',
    kinds: ['audio', 'image', 'video'],
    maximum: 10,
    takesLastTrack: true,
    required: true,
  },
  options: TEXT_OPTIONS,
  switches: [],
  examples: ['/describe'],
};
