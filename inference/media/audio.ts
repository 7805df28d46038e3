import { MumuError } from '#contracts/errors';
import { decodeRaw, throwIfCancelled } from '#inference/media/ffmpeg';
import { MEDIA_LIMITS, sayDuration } from '#inference/media/limits';
import { type MediaInfo, probe } from '#inference/media/probe';

/** Sound in memory: one array per channel, samples from -1 to 1 (more where the source was too loud). */
export type Sound = { samples: Float32Array[]; sampleRate: number };

export type DecodedAudio = Sound & {
  seconds: number;
  /** Whether the source goes on past the limit. */
  cut: boolean;
  notes: string[];
};

export type DecodeOptions = {
  /** Samples a second wanted. */
  sampleRate: number;
  /** 1: mixed down (mean of all channels for unusual layouts); 2: as ffmpeg mixes to stereo. */
  channels: 1 | 2;
  /** At most this many seconds; default and most MEDIA_LIMITS.audioSeconds. */
  maxSeconds?: number;
  signal?: AbortSignal;
  /** What probe said of the file, if it was asked already. */
  info?: MediaInfo;
};

/** Below this peak a song counts as silent: -80 dBFS. */
export const SILENCE_PEAK = 1e-4;

/**
 * Decodes a song (or the sound of a clip) to float PCM, resampled by soxr-quality resampling.
 * Truncated files give what is there, with a note; songs past the limit are cut, with a note; silence is noted.
 * @throws MumuError unsupported_media, invalid_input, too_large, not_found, missing_dependency, cancelled
 */
export async function decodeAudio(path: string, options: DecodeOptions): Promise<DecodedAudio> {
  const info = options.info ?? (await probe(path, options.signal));
  if (!info.hasAudio || info.demuxer === null) {
    throw new MumuError('unsupported_media', 'The file has no sound.');
  }
  const { sampleRate, channels } = options;
  const most = Math.min(options.maxSeconds ?? MEDIA_LIMITS.audioSeconds, MEDIA_LIMITS.audioSeconds);
  // Half a second more than is kept, to know whether there was more.
  const limit = most + 0.5;
  const frameBytes = channels * 4;
  const raw = await decodeRaw(
    { path, demuxer: info.demuxer },
    [
      ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(limit)],
      ...['-af', resampling(info, sampleRate, channels), '-c:a', 'pcm_f32le', '-f', 'f32le'],
    ],
    { maxBytes: Math.ceil((limit + 1) * sampleRate) * frameBytes, signal: options.signal },
  );
  const decoded = deinterleave(raw.chunks, raw.bytes, channels);
  const length = decoded[0]?.length ?? 0;
  if (length < MEDIA_LIMITS.minAudioSeconds * sampleRate) {
    throw new MumuError(
      'unsupported_media',
      raw.failed
        ? 'The sound cannot be decoded; the file may be damaged.'
        : 'The file holds no sound to speak of.',
    );
  }
  const notes: string[] = [];
  const cut = length > most * sampleRate;
  const samples = cut ? decoded.map((one) => one.slice(0, Math.round(most * sampleRate))) : decoded;
  const seconds = (samples[0]?.length ?? 0) / sampleRate;
  if (cut) {
    const whole = info.seconds !== undefined && info.seconds > most ? ` of ${sayDuration(info.seconds)}` : '';
    notes.push(`Only the first ${sayDuration(most)}${whole} were listened to.`);
  } else if (raw.failed || (info.seconds !== undefined && info.seconds > seconds * 1.05 + 1)) {
    notes.push(`The file is damaged or cut short; the ${sayDuration(seconds)} that could be read were used.`);
  }
  if (peakOf(samples) < SILENCE_PEAK) notes.push('The file is silent: there is nothing to hear in it.');
  return { samples, sampleRate, seconds, cut, notes };
}

/**
 * Resampling and mixing down. Layouts whose downmix ffmpeg knows are mixed by it, held to full scale (from float
 * sources, which mp3 and aac are, it would come out up to 3.4 times too loud); anything else is averaged, so that no
 * channel is lost.
 */
function resampling(info: MediaInfo, sampleRate: number, channels: 1 | 2): string {
  const count = info.channels ?? 2;
  const known = info.channelLayout !== undefined || count <= 2;
  const layout = channels === 1 ? 'mono' : 'stereo';
  if (known) {
    const mixed = `${resampler(sampleRate)}:rematrix_maxval=1`;
    return [mixed, `aformat=channel_layouts=${layout}:sample_fmts=flt`].join(',');
  }
  const mean = Array.from({ length: count }, (_, i) => `${(1 / count).toFixed(6)}*c${i}`).join('+');
  const pan = channels === 1 ? `pan=mono|c0=${mean}` : `pan=stereo|c0=${mean}|c1=${mean}`;
  return [pan, resampler(sampleRate), 'aformat=sample_fmts=flt'].join(',');
}

function deinterleave(chunks: Buffer[], bytes: number, channels: number): Float32Array[] {
  const frames = Math.floor(bytes / 4 / channels);
  // One copy: float32 views must start on a multiple of four.
  const joined = new Uint8Array(frames * channels * 4);
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, joined.length - at);
    joined.set(part, at);
    at += part.length;
  }
  const interleaved = new Float32Array(joined.buffer);
  if (channels === 1) return [interleaved];
  return Array.from({ length: channels }, (_, c) => {
    const one = new Float32Array(frames);
    for (let i = 0; i < frames; i++) one[i] = interleaved[i * channels + c] ?? 0;
    return one;
  });
}

/** Largest magnitude over all channels. */
export function peakOf(samples: readonly Float32Array[]): number {
  let peak = 0;
  for (const one of samples) for (const value of one) if (Math.abs(value) > peak) peak = Math.abs(value);
  return peak;
}

/** Root mean square over all channels. */
export function rmsOf(samples: readonly Float32Array[]): number {
  let sum = 0;
  let count = 0;
  for (const one of samples) {
    for (const value of one) sum += value * value;
    count += one.length;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}

/** Interleaves to little-endian float32 in pieces of a second, for a pipe. */
export function* interleave(sound: Sound): Iterable<Buffer> {
  const { samples, sampleRate } = sound;
  const length = samples[0]?.length ?? 0;
  const channels = samples.length;
  for (let from = 0; from < length; from += sampleRate) {
    const frames = Math.min(sampleRate, length - from);
    const piece = new Float32Array(frames * channels);
    for (const [c, one] of samples.entries()) {
      for (let i = 0; i < frames; i++) piece[i * channels + c] = one[from + i] ?? 0;
    }
    yield Buffer.from(piece.buffer);
  }
}

/**
 * Runs sound through audio filters written by us ("atempo=0.8") and returns what comes out, at the same rate and
 * with the same number of channels.
 * @throws MumuError missing_dependency, cancelled, internal
 */
export function filterAudio(sound: Sound, filters: string[], signal?: AbortSignal): Promise<Sound> {
  return throughFfmpeg(sound, filters, sound.sampleRate, signal);
}

/** The same sound at another rate. @throws MumuError missing_dependency, cancelled, internal */
export async function resample(sound: Sound, sampleRate: number, signal?: AbortSignal): Promise<Sound> {
  return sound.sampleRate === sampleRate ? sound : throughFfmpeg(sound, [], sampleRate, signal);
}

async function throughFfmpeg(
  sound: Sound,
  filters: string[],
  sampleRate: number,
  signal: AbortSignal | undefined,
): Promise<Sound> {
  throwIfCancelled(signal);
  const channels = sound.samples.length;
  const chain = [...filters, resampler(sampleRate), 'aformat=sample_fmts=flt'].join(',');
  const raw = await decodeRaw(
    { pcm: interleave(sound), sampleRate: sound.sampleRate, channels },
    ['-af', chain, '-ac', `${channels}`, '-c:a', 'pcm_f32le', '-f', 'f32le'],
    { maxBytes: MEDIA_LIMITS.audioSeconds * 4 * sampleRate * channels * 4, signal },
  );
  if (raw.failed)
    throw new MumuError('internal', 'ffmpeg could not filter the sound.', { cause: raw.stderr });
  return { samples: deinterleave(raw.chunks, raw.bytes, channels), sampleRate };
}

/** A long windowed sinc: flat to 97 % of the band, as soxr's high quality is. */
function resampler(sampleRate: number): string {
  return `aresample=${sampleRate}:filter_size=64:cutoff=0.97`;
}
