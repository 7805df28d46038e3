import { TEXT_OPTIONS } from '#commands/options';
import type { CommandSpec } from '#commands/spec';

export const ask: CommandSpec = {
  name: 'ask',
  summary: 'Ask about a song, a picture or a clip, or about music in general',
  usage: 'QUESTION',
  text: { name: 'question', required: true },
  attachments: {
    summary: 'What the question is about; without a file it is about the last track here, if there is one.',
    kinds: ['audio', 'image', 'video'],
    maximum: 10,
    takesLastTrack: true,
    required: false,
  },
  options: TEXT_OPTIONS,
  switches: [],
  examples: ['/ask Which instrument plays the melody?', '/ask How fast is it?'],
};
