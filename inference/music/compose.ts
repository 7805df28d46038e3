import { peakOf, rmsOf, type Sound } from '#inference/media/audio';
import { fadeEnds, fitLength, normaliseLoudness } from '#inference/media/loudness';
import type { Codec } from '#inference/music/codec';
import { type Condition, emptyCodes, type MusicDecoder, type MusicSampling } from '#inference/music/decoder';
import { throwIfAborted } from '#inference/runtime/abort';
import { createRandom } from '#inference/runtime/random';
import type { CodeGrid } from '#models/music/delay-pattern';

/** Music quieter than this is taken for silence: -60 dBFS. */
const SILENT_RMS = 1e-3;
/** So often the decoder may try again after silence. */
const RETRIES = 2;
const FADE_IN_SECONDS = 0.01;
const FADE_OUT_SECONDS = 0.25;

export type ComposeOptions = {
  condition: Condition;
  seconds: number;
  sampling: MusicSampling;
  seed: number;
  /** Frames a beat lasts, where that is known and the music begins with one. */
  beatFrames?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: (fraction: number) => void;
  onNote?: (note: string) => void;
};

/**
 * Codes -> sound of `frames` frames, tried again under another stream of the same seed where it comes out silent.
 * `hear` picks what has to be audible (the continuation, not what it continues).
 */
async function audibleSound(
  decoder: MusicDecoder,
  codec: Codec,
  prompt: CodeGrid,
  frames: number,
  options: ComposeOptions,
): Promise<Sound> {
  for (let attempt = 0; ; attempt++) {
    const random = createRandom(options.seed, attempt === 0 ? 'music' : `music retry ${attempt}`);
    const { signal, onProgress, beatFrames } = options;
    const codes = await decoder.generate(options.condition, prompt, frames, options.sampling, {
      random,
      signal,
      beatFrames,
      ...(onProgress ? { onProgress } : {}),
    });
    throwIfAborted(signal);
    const sound = await codec.decode(codes);
    const fresh = sound.samples.map((one) => one.subarray(prompt.steps * codec.dims.hop));
    const silent = rmsOf(fresh) < SILENT_RMS;
    if (!silent) return sound;
    if (attempt === RETRIES) {
      options.onNote?.('The music came out silent; try another seed or other words.');
      return sound;
    }
    if (attempt === 0) options.onNote?.('The first attempt came out silent, so the music was made again.');
  }
}

/**
 * New music of exactly `seconds` (to the sample, at the codec's rate), loudness-normalised, with short fades.
 * @throws MumuError cancelled, missing_dependency
 */
export async function composeNew(
  decoder: MusicDecoder,
  codec: Codec,
  options: ComposeOptions,
): Promise<Sound> {
  const { sampleRate, hop } = codec.dims;
  const length = Math.round(options.seconds * sampleRate);
  const frames = Math.ceil(length / hop);
  const raw = await audibleSound(decoder, codec, emptyCodes(decoder.dims.codebooks, 0), frames, options);
  const cut = { samples: raw.samples.map((one) => fitLength(one, length)), sampleRate };
  const loud = await normaliseLoudness(cut, options.signal);
  const music = { samples: loud.samples.map((one) => one.slice()), sampleRate };
  fadeEnds(music, FADE_IN_SECONDS, FADE_OUT_SECONDS);
  return holdPeaks(music);
}

/**
 * What follows `end` (the last seconds of a song, at the codec's rate): sound that begins with the codec's own
 * rendering of `end`, `seconds` longer.
 * @throws MumuError cancelled
 */
export async function composeContinuation(
  decoder: MusicDecoder,
  codec: Codec,
  end: Sound,
  options: ComposeOptions,
): Promise<Sound> {
  const { sampleRate, hop } = codec.dims;
  const prompt = await codec.encode(end);
  const promptLength = end.samples[0]?.length ?? 0;
  const frames = prompt.steps + Math.ceil((options.seconds * sampleRate) / hop);
  const sound = await audibleSound(decoder, codec, prompt, frames, options);
  const length = promptLength + Math.round(options.seconds * sampleRate);
  return { samples: sound.samples.map((one) => fitLength(one, length)), sampleRate };
}

/** No sample reaches full scale. */
export function holdPeaks(sound: Sound): Sound {
  const peak = peakOf(sound.samples);
  if (peak < 0.999) return sound;
  return {
    samples: sound.samples.map((one) => one.map((value) => (value * 0.98) / peak)),
    sampleRate: sound.sampleRate,
  };
}
