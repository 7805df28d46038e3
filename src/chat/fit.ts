import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { MumuError } from '#contracts/errors';
import type { ResultFile } from '#contracts/result';
import { transcode } from '#inference/media/ffmpeg';
import { type MediaInfo, probe } from '#inference/media/probe';
import type { Storage } from '#src/storage/storage';

/** Sound below this is no music any more, bits a second. */
const LEAST_SOUND = 16_000;
const MOST_SOUND = 128_000;
/** A picture below this cannot be made out, bits a second. */
const LEAST_PICTURE = 80_000;
const MOST_PICTURE = 2_500_000;
/** Share of the room that is planned for at each try; the rest is the container's and the encoder's slip. */
const SHARES = [0.93, 0.75] as const;

/** A file that fits, whole in memory (platforms' limits are a few ten megabytes). */
export interface Fitted {
  content: Buffer;
  name: string;
  mime: string;
  /** Whether it is not the stored file but a smaller one made of it. */
  smaller: boolean;
}

/**
 * A stored file with at most `maxBytes`: itself if it is small enough, else sound as Opus in Ogg and clips as mp4 at
 * the best rate that fits.
 * @returns undefined where nothing worth listening to would fit: link it.
 * @throws MumuError not_found, missing_dependency, disk_full, cancelled
 */
export async function fitFile(
  storage: Storage,
  file: ResultFile,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Fitted | undefined> {
  if (file.bytes <= maxBytes) {
    const content = await buffer(await storage.read(file.key));
    return { content, name: file.name, mime: file.mime, smaller: false };
  }
  const folder = await mkdtemp(join(tmpdir(), 'mumu-fit-'));
  try {
    const path = await storage.localPath(file.key, folder);
    const info = await probe(path, signal);
    const seconds = info.seconds ?? file.seconds;
    if (info.demuxer === null || seconds === undefined || seconds <= 0) return undefined;
    const isClip = info.kind === 'video';
    const output = join(folder, isClip ? 'fit.mp4' : 'fit.ogg');
    for (const share of SHARES) {
      const bits = (maxBytes * 8 * share) / seconds;
      const options = isClip ? clipOptions(info, bits) : soundOptions(bits);
      if (options === undefined) return undefined;
      await transcode({
        inputs: [{ path, demuxer: info.demuxer }],
        outputOptions: [...options, '-map_metadata', '-1'],
        output,
        format: isClip ? 'mp4' : 'ogg',
        signal,
      });
      if ((await stat(output)).size > maxBytes) continue;
      return {
        content: await readFile(output),
        name: renamed(file.name, isClip ? '.mp4' : '.ogg'),
        mime: isClip ? 'video/mp4' : 'audio/ogg',
        smaller: true,
      };
    }
    return undefined;
  } catch (error) {
    // A file that ffmpeg cannot make smaller can still be linked.
    if (error instanceof MumuError && ['internal', 'too_large', 'unsupported_media'].includes(error.code)) {
      return undefined;
    }
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param bits for everything, a second. */
function soundOptions(bits: number): string[] | undefined {
  if (bits < LEAST_SOUND) return undefined;
  const rate = Math.floor(Math.min(MOST_SOUND, bits));
  return ['-vn', '-c:a', 'libopus', '-b:a', String(rate), '-vbr', 'constrained', '-ar', '48000'];
}

/** @param bits for picture and sound together, a second. */
function clipOptions(info: MediaInfo, bits: number): string[] | undefined {
  const sound = info.hasAudio ? Math.min(MOST_SOUND, Math.max(48_000, bits * 0.2)) : 0;
  const picture = Math.min(MOST_PICTURE, bits - sound);
  if (picture < LEAST_PICTURE) return undefined;
  const height = picture > 1_200_000 ? 720 : picture > 400_000 ? 480 : 360;
  const rate = String(Math.floor(picture));
  return [
    ...['-map', '0:v:0', '-map', '0:a:0?', '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'],
    ...['-b:v', rate, '-maxrate', rate, '-bufsize', rate],
    ...['-vf', `scale=-2:trunc(min(${height}\\,ih)/2)*2`],
    ...['-c:a', 'aac', '-b:a', String(Math.floor(sound)), '-ar', '48000', '-movflags', '+faststart'],
  ];
}

function renamed(name: string, ending: string): string {
  return `${name.slice(0, name.length - extname(name).length)}${ending}`;
}
