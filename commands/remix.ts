import { REMIX_OPTIONS } from '#commands/options';
import type { CommandSpec } from '#commands/spec';

export const remix: CommandSpec = {
  name: 'remix',
  summary: 'Change a track by saying how',
  usage: 'INSTRUCTION',
  text: { name: 'instruction', required: true },
  attachments: {
    summary: 'The song or clip to change; without a file it is the last track here.',
    kinds: ['audio', 'video'],
    maximum: 1,
    takesLastTrack: true,
    required: true,
  },
  options: REMIX_OPTIONS,
  switches: [],
  examples: [
    '/remix 20 % slower and a whole tone down',
    '/remix turn it into jazz',
    '/remix slowed + reverb, fade out over 3 seconds',
  ],
};
