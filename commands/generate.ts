import { MUSIC_OPTIONS } from '#commands/options';
import type { CommandSpec } from '#commands/spec';

export const generate: CommandSpec = {
  name: 'generate',
  summary: 'Compose music from words, or for a picture, a clip or a song',
  usage: 'PROMPT',
  text: { name: 'prompt', required: false },
  attachments: {
    summary: 'What the music should fit; with --extend the track that is continued.',
    kinds: ['audio', 'image', 'video'],
    maximum: 10,
    takesLastTrack: false,
    required: false,
  },
  options: MUSIC_OPTIONS,
  switches: [{ flag: 'extend', summary: 'continue the attached or the last track' }],
  examples: ['/generate a calm waltz with piano --seconds 20', '/generate --extend --seconds 10'],
};
