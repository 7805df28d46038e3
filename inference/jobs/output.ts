import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { EngineOutput } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import type { RequestOptions } from '#contracts/request';
import type { JobRun } from '#inference/jobs/run';
import type { Sound } from '#inference/media/audio';
import { type AudioFormat, encodeAudio, mimeOf, muxClip } from '#inference/media/encode';
import { sayDuration } from '#inference/media/limits';
import { fitLength } from '#inference/media/loudness';
import { peaks } from '#inference/media/peaks';
import { probe } from '#inference/media/probe';

/** What new sound is written as where the request does not say: small, and played everywhere. */
const DEFAULT_FORMAT = 'mp3';
/** Music that is cut by no more than this needs no word, seconds: clips of less than a second get one. */
const MOST_UNSAID = 1;

/**
 * The clip that the music of a request goes under, if it asks for that: looked at before any music is made for it.
 * @throws MumuError invalid_input where there is no clip
 */
export function clipUnder(format: RequestOptions['format'], clip: string | undefined): string | undefined {
  if (format !== 'mp4') return undefined;
  if (clip !== undefined) return clip;
  throw new MumuError(
    'invalid_input',
    'mp4 needs a clip to put the music under: add one, or choose wav, mp3, ogg or flac.',
  );
}

/**
 * Writes sound into the job's folder in the format asked for. `mp4` puts it under the request's clip, which must be
 * there: the file ends with the clip's picture, and music that is longer ends with it.
 * @throws MumuError invalid_input (mp4 without a clip), disk_full, missing_dependency, cancelled
 */
export async function writeSound(
  run: JobRun,
  sound: Sound,
  name: string,
  options: { format: RequestOptions['format']; clip?: string | undefined },
): Promise<EngineOutput> {
  run.stage('finish', 0);
  const format = options.format ?? DEFAULT_FORMAT;
  const clip = clipUnder(format, options.clip);
  const file = `${name}.${format}`;
  const path = join(run.job.workFolder, `${randomUUID()}.${format}`);
  const written = clip === undefined ? sound : await underClip(run, sound, clip, path);
  if (format !== 'mp4') await encodeAudio(sound, format as AudioFormat, path, run.signal);
  run.stage('finish', 1);
  return {
    path,
    name: file,
    mime: mimeOf(format),
    seconds: secondsOf(written),
    peaks: peaks(written.samples),
  };
}

/** Writes the clip with the sound under it. @returns what is heard in it: as long as the clip, not as the sound */
async function underClip(run: JobRun, sound: Sound, clip: string, path: string): Promise<Sound> {
  await muxClip(clip, sound, path, run.signal);
  const seconds = (await probe(path, run.signal)).seconds ?? secondsOf(sound);
  if (secondsOf(sound) > seconds + MOST_UNSAID) {
    run.note(
      `The music lasts ${sayDuration(secondsOf(sound))}: it ends with the clip, at ${sayDuration(seconds)}.`,
    );
  }
  const length = Math.round(seconds * sound.sampleRate);
  return { samples: sound.samples.map((one) => fitLength(one, length)), sampleRate: sound.sampleRate };
}

const secondsOf = (sound: Sound): number => (sound.samples[0]?.length ?? 0) / sound.sampleRate;

/** A file name out of a caption: "a slow waltz" -> "a-slow-waltz". */
export function fileNameOf(text: string, otherwise: string): string {
  const name = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    // Between two words: what is left of one may be another word.
    .replace(/^(.{1,48})(?![^-]).*$/, '$1')
    .slice(0, 48)
    .replace(/-+$/, '');
  return name || otherwise;
}
