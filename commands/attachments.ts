import { commandNamed } from '#commands/registry';
import { MumuError } from '#contracts/errors';
import type { FileRef, MediaKind, RequestCommand } from '#contracts/request';

const NAMES: Record<MediaKind, string> = { audio: 'a song', image: 'a picture', video: 'a clip' };

/**
 * Which files a request is about: those that came with it, or the conversation's last track.
 * @throws MumuError invalid_input where a file is missing, of a kind the command cannot use, or one too many.
 */
export function chooseFiles(
  asked: { command: RequestCommand; text: string; action: 'new' | 'vary' | 'extend' },
  files: readonly FileRef[],
  lastTrack: FileRef | undefined,
): FileRef[] {
  const { command, action } = asked;
  const spec = commandNamed(command).attachments;
  if (spec === undefined) return [];
  const extending = command === 'generate' && action === 'extend';
  const kinds: readonly MediaKind[] = extending ? ['audio', 'video'] : spec.kinds;
  const wrong = files.find((file) => !kinds.includes(file.kind));
  if (wrong !== undefined) {
    const wanted = kinds.map((kind) => NAMES[kind]).join(' or ');
    throw new MumuError(
      'invalid_input',
      `${wrong.name} is ${NAMES[wrong.kind]}: ${extending ? '--extend' : `/${command}`} takes ${wanted}.`,
    );
  }
  const maximum = extending ? 1 : spec.maximum;
  if (files.length > maximum) {
    throw new MumuError(
      'invalid_input',
      `/${command} takes ${maximum === 1 ? 'one file' : `${maximum} files`} at most.`,
    );
  }
  if (files.length > 0) return [...files];
  if ((spec.takesLastTrack || extending) && lastTrack !== undefined) return [lastTrack];
  if (spec.required || extending) {
    const what = command === 'describe' ? 'a song, a picture or a clip' : 'a song or a clip';
    throw new MumuError(
      'invalid_input',
      `There is nothing to ${extending ? 'extend' : command} yet: attach ${what}.`,
    );
  }
  if (command === 'generate' && asked.text.trim() === '') {
    throw new MumuError(
      'invalid_input',
      'Say what the music should be like, or attach a picture, a clip or a song it should fit.',
    );
  }
  return [];
}
