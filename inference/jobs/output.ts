import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { EngineOutput } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import type { RequestOptions } from '#contracts/request';
import type { JobRun } from '#inference/jobs/run';
import type { Sound } from '#inference/media/audio';
import { type AudioFormat, encodeAudio, mimeOf, muxClip } from '#inference/media/encode';
import { peaks } from '#inference/media/peaks';

/** What new sound is written as where the request does not say: small, and played everywhere. */
const DEFAULT_FORMAT = 'mp3';

/**
 * Writes sound into the job's folder in the format asked for. `mp4` puts it under the request's clip, which must be
 * there.
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
  if (format === 'mp4' && options.clip === undefined) {
    throw new MumuError(
      'invalid_input',
      'mp4 needs a clip to put the music under: add one, or choose wav, mp3, ogg or flac.',
    );
  }
  const file = `${name}.${format}`;
  const path = join(run.job.workFolder, `${randomUUID()}.${format}`);
  if (format === 'mp4') await muxClip(options.clip as string, sound, path, run.signal);
  else await encodeAudio(sound, format as AudioFormat, path, run.signal);
  run.stage('finish', 1);
  const seconds = (sound.samples[0]?.length ?? 0) / sound.sampleRate;
  return { path, name: file, mime: mimeOf(format), seconds, peaks: peaks(sound.samples) };
}

/** A file name out of a caption: "a slow waltz" -> "a-slow-waltz". */
export function fileNameOf(text: string, otherwise: string): string {
  const name = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 48)
    .replace(/-+$/, '');
  return name || otherwise;
}
