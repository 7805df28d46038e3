import type { RawFile } from 'discord.js';
import { MumuError, toMumuError } from '#contracts/errors';
import type { DoneResult, ResultFile } from '#contracts/result';
import type { FileLinks } from '#src/app/services';
import { cut, LIMITS } from '#src/chat/discord/limits';
import type { DiscordWords } from '#src/chat/discord/words';
import { fitFile } from '#src/chat/fit';
import { waveformPicture } from '#src/chat/waveform';
import type { Logger } from '#src/log';
import type { Storage } from '#src/storage/storage';

/** Name of the picture beside a track; how we know it again in our own messages. */
export const WAVEFORM_NAME = 'waveform.png';
/** Alternative texts are cut after so many characters. */
const LONGEST_DESCRIPTION = 1024;

/** A file to send. */
export interface Upload {
  file: RawFile & { data: Buffer };
  /** What it is, for those who cannot see or hear it. */
  description?: string;
}

/** What a result's files become in one message. */
export interface Prepared {
  uploads: Upload[];
  /** What is to be said of them: made smaller, too large, missing. */
  lines: string[];
  /** Those that are too large to send, and where they can be fetched. */
  links: FileLink[];
}

export interface FileLink {
  name: string;
  url: string;
}

export interface FileContext {
  storage: Storage;
  links: FileLinks;
  words: DiscordWords;
  log: Logger;
  /** What cannot be made ready now is thrown: it may be the next time. Else it is linked, or told. */
  isPatient: boolean;
}

/**
 * Makes a result's files ready: as they are if they fit, else smaller, else as links, else by a sentence; and a picture
 * of the first sound. So that an answer is not lost for one of its files, there is an end to the patience with each.
 * @param fileBytes most bytes of one file.
 * @param without file that went out in another way.
 */
export async function prepareFiles(
  result: DoneResult,
  fileBytes: number,
  context: FileContext,
  without?: ResultFile,
): Promise<Prepared> {
  const uploads: Upload[] = [];
  const lines: string[] = [];
  const links: FileLink[] = [];
  for (const file of result.files) {
    if (file === without) continue;
    // One place is kept for the picture, one for a text that is too long.
    if (uploads.length >= LIMITS.files - 2) break;
    const instead = (reason: string) => {
      const url = context.links.link(file);
      if (url === undefined) lines.push(`${file.name}: ${reason}`);
      else links.push({ name: file.name, url });
    };
    try {
      const fitted = await fitFile(context.storage, file, fileBytes);
      if (fitted === undefined) {
        instead(context.words.tooLarge);
        continue;
      }
      const { content, name, mime, smaller } = fitted;
      uploads.push({ file: { name, data: content, contentType: mime } });
      if (smaller) lines.push(`${name}: ${context.words.smaller}`);
    } catch (error) {
      if (error instanceof MumuError && error.code === 'not_found') {
        lines.push(`${file.name}: ${error.message}`);
        continue;
      }
      const { code } = toMumuError(error);
      // A store that is away comes back, and tries may have been about something else (Discord itself being away).
      if (context.isPatient || code === 'unavailable') throw error;
      context.log.error({ id: result.id, code }, 'an answer goes out without one of its files');
      instead(context.words.notNow);
    }
  }
  const picture = await pictureOf(result, fileBytes).catch((error: unknown) => {
    if (context.isPatient) throw error;
    return undefined;
  });
  if (picture !== undefined) uploads.push(picture);
  return { uploads, lines, links };
}

async function pictureOf(result: DoneResult, fileBytes: number): Promise<Upload | undefined> {
  const track = result.files.find(({ mime, peaks }) => mime.startsWith('audio/') && peaks !== undefined);
  if (track?.peaks === undefined || track.peaks.length === 0) return undefined;
  const data = await waveformPicture(track.peaks);
  if (data.length > fileBytes) return undefined;
  const description = cut(`Waveform of ${track.name}`, LONGEST_DESCRIPTION);
  return { file: { name: WAVEFORM_NAME, data, contentType: 'image/png' }, description };
}

/** A text that is too long for a message. */
export function textUpload(text: string): Upload {
  return { file: { name: 'answer.txt', data: Buffer.from(text, 'utf8'), contentType: 'text/plain' } };
}

/** Names the files of a request: those that are not named are taken off a message that is edited. */
export function attachmentsOf(uploads: readonly Upload[]) {
  return uploads.map(({ file, description }, place) => ({
    id: String(place),
    filename: file.name,
    ...(description === undefined ? {} : { description }),
  }));
}
