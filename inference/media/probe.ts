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
  /**
   * Length in seconds: a song's as declared, a clip's until its picture ends, whatever the length of its sound.
   * Absent for pictures and where it is not known.
   */
  seconds?: number;
  /** Declared length of the sound, where the file says it. */
  soundSeconds?: number;
  /** Sound: absent where there is none. */
  channels?: number;
  channelLayout?: string;
  sampleRate?: number;
  /** Picture size, clip frame size. */
  width?: number;
  height?: number;
  /** ffmpeg's name of the codec of a clip's picture. */
  videoCodec?: string;
  /** How long after the beginning of the file a clip's picture begins, seconds. */
  pictureStart?: number;
  /** A clip that also has sound. */
  hasAudio: boolean;
  /** What the user should know: cut, no picture. */
  notes: string[];
};

const numeric = z.coerce.number().optional().catch(undefined);
const streamSchema = z.object({
  index: z.number(),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  channels: numeric,
  channel_layout: z.string().optional(),
  sample_rate: numeric,
  width: numeric,
  height: numeric,
  duration: numeric,
  start_time: numeric,
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
});
type Stream = z.infer<typeof streamSchema>;
const probeSchema = z.object({
  streams: z.array(streamSchema).default([]),
  format: z.object({ duration: numeric, start_time: numeric }).default({}),
});
const packetsSchema = z.object({
  packets: z.array(z.object({ pts_time: numeric, duration_time: numeric })).default([]),
});

/** Packets are counted this far, seconds: a little past what is looked at, to know whether there is more. */
const COUNTED_SECONDS = MEDIA_LIMITS.clipSeconds + 2;
/** Where nothing says how long the last frame of a clip is shown, it is taken for no longer than this, seconds. */
const LONGEST_LAST_FRAME = 1;

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
  const whole = found.format.duration ?? sound?.duration ?? picture?.duration;
  if (picture?.width && picture.height) checkPixels(picture.width, picture.height, 'clip');
  const pictureStart = Math.max(0, (picture?.start_time ?? 0) - (found.format.start_time ?? 0));
  const shown = picture ? await shownSeconds(path, demuxer, picture, whole, signal) : undefined;
  const seconds = shown === undefined ? whole : pictureStart + shown;
  // A container lasts as long as the longest it holds: where that is not the picture, it is the sound.
  const outlasts = (whole ?? 0) > (seconds ?? 0) * 1.05 + 1;
  const soundSeconds = sound?.duration ?? (picture && !outlasts ? undefined : whole);
  const notes: string[] = [];
  const common = {
    bytes: sniffed.bytes,
    demuxer,
    ...(seconds !== undefined ? { seconds } : {}),
    ...(sound && soundSeconds !== undefined ? { soundSeconds } : {}),
    ...(sound?.channels ? { channels: sound.channels } : {}),
    ...(sound?.channel_layout ? { channelLayout: sound.channel_layout } : {}),
    ...(sound?.sample_rate ? { sampleRate: sound.sample_rate } : {}),
    hasAudio: sound !== undefined,
    notes,
  };
  if (picture?.width && picture.height) {
    if (seconds !== undefined && seconds > MEDIA_LIMITS.clipSeconds + 0.5) {
      const most = sayDuration(MEDIA_LIMITS.clipSeconds);
      const long = seconds <= COUNTED_SECONDS + 1 ? `longer than ${most}` : `${sayDuration(seconds)} long`;
      notes.push(`The clip is ${long}; only its first ${most} were looked at.`);
    }
    const { width, height } = picture;
    const codec = picture.codec_name === undefined ? {} : { videoCodec: picture.codec_name };
    return { kind: 'video', mime: sniffed.mime, width, height, ...codec, pictureStart, ...common };
  }
  if (sound) {
    if (sniffed.mime.startsWith('video/'))
      notes.push('The clip has no picture, so it was treated as a song.');
    return { kind: 'audio', mime: sniffed.mime.replace(/^video\//, 'audio/'), ...common };
  }
  throw new MumuError('unsupported_media', 'The file holds neither sound nor pictures.');
}

/**
 * How long the picture of a clip lasts. What browsers record says it nowhere, and Matroska says only how long the
 * whole file is (`whole`): there it is counted.
 * @returns undefined where that cannot be told
 * @throws MumuError missing_dependency, cancelled
 */
async function shownSeconds(
  path: string,
  demuxer: string,
  picture: Stream,
  whole: number | undefined,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (picture.duration) return picture.duration;
  const counted = await countedSeconds(path, demuxer, picture.index, signal);
  // What goes on past the count lasts as long as the file says, if it does.
  return counted !== undefined && counted > MEDIA_LIMITS.clipSeconds
    ? Math.max(counted, whole ?? 0)
    : counted;
}

/**
 * How long a stream lasts up to COUNTED_SECONDS, by the times of its packets.
 * @returns undefined where it has less than two: how long one picture stands is not its own to say
 * @throws MumuError missing_dependency, cancelled
 */
async function countedSeconds(
  path: string,
  demuxer: string,
  stream: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const answer = await runFfprobe(path, demuxer, signal, [
    ...['-select_streams', `${stream}`, '-read_intervals', `%+${COUNTED_SECONDS}`],
    ...['-show_entries', 'packet=pts_time,duration_time'],
  ]).catch((cause: unknown) => {
    // More packets than there is room for, or none that can be read: the decoder will say what is wrong.
    if (cause instanceof MumuError) throw cause;
    return {};
  });
  const packets = packetsSchema.safeParse(answer).data?.packets ?? [];
  let count = 0;
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  let shown: number | undefined;
  // Packets come in the order of decoding, not of showing.
  for (const { pts_time: time, duration_time: duration } of packets) {
    if (time === undefined) continue;
    count += 1;
    first = Math.min(first, time);
    if (time <= last) continue;
    last = time;
    shown = duration;
  }
  if (count < 2) return undefined;
  const spacing = (last - first) / (count - 1);
  const seconds = last - first + (shown ?? Math.min(LONGEST_LAST_FRAME, spacing));
  return seconds > 0 ? seconds : undefined;
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
