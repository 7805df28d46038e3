import sharp from 'sharp';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { MediaKind } from '#contracts/request';
import { MEDIA_LIMITS, sayDuration } from '#inference/media/limits';
import { type Sniffed, sniff } from '#inference/media/magic';
import { runFfprobe } from '#inference/media/process';

/** What a file holds, as read from its content. */
export type MediaInfo = {
  kind: MediaKind;
  mime: string;
  bytes: number;
  /** The one ffmpeg demuxer that may open it; null for pictures that sharp reads. */
  demuxer: string | null;
  /** Declared duration in seconds; absent for pictures and where the file does not say. */
  seconds?: number;
  /** Sound: absent where there is none. */
  channels?: number;
  channelLayout?: string;
  sampleRate?: number;
  /** Picture size, clip frame size. */
  width?: number;
  height?: number;
  /** ffmpeg's name of the codec of a clip's picture. */
  videoCodec?: string;
  /** A clip that also has sound. */
  hasAudio: boolean;
  /** What the user should know: cut, no picture. */
  notes: string[];
};

const numeric = z.coerce.number().optional().catch(undefined);
const streamSchema = z.object({
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  channels: numeric,
  channel_layout: z.string().optional(),
  sample_rate: numeric,
  width: numeric,
  height: numeric,
  duration: numeric,
  nb_frames: numeric,
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
});
const probeSchema = z.object({
  streams: z.array(streamSchema).default([]),
  format: z.object({ duration: numeric }).default({}),
});

/**
 * Finds out what a file is and holds it against the limits; decodes nothing.
 * Cover art counts as no picture: a song with a cover is a song. A clip with no picture stream is a song too.
 * @param maxBytes as of `sniff`
 * @throws MumuError not_found, invalid_input, too_large, unsupported_media, missing_dependency, cancelled
 */
export async function probe(path: string, signal?: AbortSignal, maxBytes?: number): Promise<MediaInfo> {
  const sniffed = await sniff(path, maxBytes);
  return sniffed.how === 'picture' ? probePicture(path, sniffed, signal) : probeTimed(path, sniffed, signal);
}

async function probePicture(path: string, sniffed: Sniffed, signal?: AbortSignal): Promise<MediaInfo> {
  let width: number | undefined;
  let height: number | undefined;
  if (sniffed.demuxer === null) {
    try {
      // The header alone: nothing is decoded, so the pixel limit may stay out of this call.
      const header = await sharp(path, { limitInputPixels: false }).metadata();
      width = header.width;
      height = header.height;
    } catch (cause) {
      throw new MumuError('unsupported_media', 'The picture cannot be read; the file may be damaged.', {
        cause,
      });
    }
  } else {
    const found = await ask(path, sniffed.demuxer, 'picture', signal);
    const stream = found.streams.find((one) => one.codec_type === 'video');
    width = stream?.width;
    height = stream?.height;
  }
  if (!width || !height) {
    throw new MumuError('unsupported_media', 'The picture cannot be read; the file may be damaged.');
  }
  checkPixels(width, height, 'picture');
  const { mime, bytes, demuxer } = sniffed;
  return { kind: 'image', mime, bytes, demuxer, width, height, hasAudio: false, notes: [] };
}

async function probeTimed(path: string, sniffed: Sniffed, signal?: AbortSignal): Promise<MediaInfo> {
  const demuxer = sniffed.demuxer ?? '';
  const found = await ask(path, demuxer, 'file', signal);
  const sound = found.streams.find((one) => one.codec_type === 'audio' && (one.channels ?? 0) > 0);
  const picture = found.streams.find(
    (one) => one.codec_type === 'video' && one.disposition?.attached_pic !== 1 && (one.width ?? 0) > 0,
  );
  const seconds = found.format.duration ?? sound?.duration ?? picture?.duration;
  const notes: string[] = [];
  const common = {
    bytes: sniffed.bytes,
    demuxer,
    ...(seconds !== undefined ? { seconds } : {}),
    ...(sound?.channels ? { channels: sound.channels } : {}),
    ...(sound?.channel_layout ? { channelLayout: sound.channel_layout } : {}),
    ...(sound?.sample_rate ? { sampleRate: sound.sample_rate } : {}),
    hasAudio: sound !== undefined,
    notes,
  };
  if (picture?.width && picture.height) {
    checkPixels(picture.width, picture.height, 'clip');
    if (seconds !== undefined && seconds > MEDIA_LIMITS.clipSeconds + 0.5) {
      notes.push(
        `The clip is ${sayDuration(seconds)} long; only its first ${sayDuration(MEDIA_LIMITS.clipSeconds)} were looked at.`,
      );
    }
    const { width, height } = picture;
    const codec = picture.codec_name === undefined ? {} : { videoCodec: picture.codec_name };
    return { kind: 'video', mime: sniffed.mime, width, height, ...codec, ...common };
  }
  if (sound) {
    if (sniffed.mime.startsWith('video/'))
      notes.push('The clip has no picture, so it was treated as a song.');
    return { kind: 'audio', mime: sniffed.mime.replace(/^video\//, 'audio/'), ...common };
  }
  throw new MumuError('unsupported_media', 'The file holds neither sound nor pictures.');
}

async function ask(path: string, demuxer: string, what: string, signal?: AbortSignal) {
  let answer: unknown;
  try {
    answer = await runFfprobe(path, demuxer, signal);
  } catch (cause) {
    if (cause instanceof MumuError) throw cause;
    const said = cause instanceof Error ? cause.message : '';
    if (/moov atom not found/i.test(said)) {
      const message =
        'The file is cut short: its index is missing, so nothing in it can be read. Send it again whole.';
      throw new MumuError('unsupported_media', message, { cause });
    }
    throw new MumuError('unsupported_media', `The ${what} cannot be read; it may be damaged or cut short.`, {
      cause,
    });
  }
  const parsed = probeSchema.safeParse(answer);
  if (!parsed.success) {
    throw new MumuError('unsupported_media', `The ${what} cannot be read.`, { cause: parsed.error });
  }
  return parsed.data;
}

function checkPixels(width: number, height: number, what: string): void {
  if (width * height <= MEDIA_LIMITS.pixels) return;
  const most = Math.round(MEDIA_LIMITS.pixels / 1e6);
  throw new MumuError(
    'too_large',
    `The ${what} has ${width} x ${height} pixels; at most ${most} megapixels are accepted.`,
  );
}
