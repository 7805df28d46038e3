import { MumuError } from '#contracts/errors';
import { decodeRaw, throwIfCancelled } from '#inference/media/ffmpeg';
import { MEDIA_LIMITS, sayDuration } from '#inference/media/limits';
import { type MediaInfo, probe } from '#inference/media/probe';

/**
 * Sound in memory: one array per channel, samples from -1 to 1 (more where the source was too loud); what is decoded
 * holds numbers only, none past MOST_LEVEL.
 */
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
 * Float files may go over full scale, and keep their shape where they do; past this (+18 dB) no music was meant, and
 * one such sample would outweigh the rest of the song.
 */
export const MOST_LEVEL = 8;
/** No scale of samples goes further, not even 32-bit whole numbers written as floats: a larger value is damage. */
const MOST_SCALE = 2 ** 31;

/**
 * Decodes a song (or the sound of a clip) to float PCM, resampled by soxr-quality resampling.
 * Truncated files give what is there, with a note; songs past the limit are cut, with a note; silence is noted.
 * Samples of float files that are no numbers become zeros, and absurd levels are held, with a note.
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
  const source = { path, demuxer: info.demuxer };
  const decode = (filters: string[]) =>
    decodeRaw(
      source,
      [
        ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(limit)],
        ...['-af', filters.join(','), '-c:a', 'pcm_f32le', '-f', 'f32le'],
      ],
      { maxBytes: Math.ceil((limit + 1) * sampleRate) * frameBytes, signal: options.signal },
    );
  let filters = resampling(info, sampleRate, channels);
  let raw = await decode(filters);
  if (raw.failed && raw.bytes === 0 && info.channels !== undefined && info.channels > 1) {
    // There are layouts that ffmpeg can name and not mix.
    filters = averaging(info.channels, sampleRate, channels);
    raw = await decode(filters);
  }
  let decoded = deinterleave(raw.chunks, raw.bytes, channels);
  const held = hold(decoded);
  if (held) {
    // Once more, mended before it is resampled, which spreads a bad sample over its neighbours.
    raw = await decode([HOLDING, ...filters]);
    decoded = deinterleave(raw.chunks, raw.bytes, channels);
    hold(decoded);
  }
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
    const declared = info.soundSeconds ?? 0;
    const whole = declared > most ? ` of ${sayDuration(declared)}` : '';
    notes.push(`Only the first ${sayDuration(most)}${whole} were listened to.`);
  } else if (raw.failed || (info.soundSeconds !== undefined && info.soundSeconds > seconds * 1.05 + 1)) {
    notes.push(`The file is damaged or cut short; the ${sayDuration(seconds)} that could be read were used.`);
  }
  if (held)
    notes.push(
      'Some samples of the file are no sound (no number, or far too loud); they were silenced or held.',
    );
  if (peakOf(samples) < SILENCE_PEAK) notes.push('The file is silent: there is nothing to hear in it.');
  return { samples, sampleRate, seconds, cut, notes };
}

/**
 * Resampling and mixing down. Layouts whose downmix ffmpeg knows are mixed by it, held to full scale (from float
 * sources, which mp3 and aac are, it would come out up to 3.4 times too loud); ambisonic sound is heard from its
 * middle; anything else is averaged, so that no channel is lost.
 */
function resampling(info: MediaInfo, sampleRate: number, channels: 1 | 2): string[] {
  const count = info.channels ?? 2;
  const layout = info.channelLayout;
  // Other channels beside it, which such a layout may have, would be lost so: those are averaged.
  if (layout !== undefined && /^ambisonic \d+$/.test(layout)) {
    // Channels in ACN order, SN3D: the first hears every side alike, the second left against right. So mono is the
    // first, stereo two cardioids to the sides.
    const pan = channels === 1 ? 'pan=mono|c0=c0' : 'pan=stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0-0.5*c1';
    return [pan, resampler(sampleRate), 'aformat=sample_fmts=flt'];
  }
  if (layout === undefined && count > 2) return averaging(count, sampleRate, channels);
  const names = channels === 1 ? 'mono' : 'stereo';
  return [`${resampler(sampleRate)}:rematrix_maxval=1`, `aformat=channel_layouts=${names}:sample_fmts=flt`];
}

/** Resampling of the mean of all channels. */
function averaging(count: number, sampleRate: number, channels: 1 | 2): string[] {
  const mean = Array.from({ length: count }, (_, i) => `${(1 / count).toFixed(6)}*c${i}`).join('+');
  const pan = channels === 1 ? `pan=mono|c0=${mean}` : `pan=stereo|c0=${mean}|c1=${mean}`;
  return [pan, resampler(sampleRate), 'aformat=sample_fmts=flt'];
}

/** What `hold` does, as a filter before others; a tenth of the speed, so only where it is needed. */
const HOLDING =
  `aeval=exprs='if(isnan(val(ch))+gt(abs(val(ch)),${MOST_SCALE}),0,` +
  `clip(val(ch),-${MOST_LEVEL},${MOST_LEVEL}))':c=same`;

/** Mends samples in place that are no sound. @returns whether there were any */
function hold(samples: readonly Float32Array[]): boolean {
  let held = false;
  for (const one of samples) {
    for (let i = 0; i < one.length; i++) {
      const value = one[i] ?? 0;
      if (Math.abs(value) <= MOST_LEVEL) continue;
      held = true;
      one[i] = Math.abs(value) <= MOST_SCALE ? Math.sign(value) * MOST_LEVEL : 0;
    }
  }
  return held;
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
