import { peakOf, resample, rmsOf, type Sound } from '#inference/media/audio';
import { fadeEnds, fitLength } from '#inference/media/loudness';
import type { Codec } from '#inference/music/codec';
import { type ComposeOptions, composeContinuation } from '#inference/music/compose';
import type { MusicDecoder } from '#inference/music/decoder';
import { CONTEXT_SHARE } from '#inference/music/windows';
import { limit } from '#inference/remix/dsp/basic';

/** The song fades into its continuation over this long. */
const CROSSFADE_SECONDS = 0.15;
/** The continuation is brought to the song's level, by at most this factor. */
const MOST_GAIN = 4;
/** The continuation stays below this. */
const HIGHEST_PEAK = 0.95;

/**
 * The song and `seconds` more of it: the decoder continues the codes of its last seconds; the song itself stays as it
 * is (its rate, its channels) up to the crossfade just before its end.
 * @throws MumuError cancelled, missing_dependency
 */
export async function extendSong(
  decoder: MusicDecoder,
  codec: Codec,
  song: Sound,
  options: ComposeOptions,
): Promise<Sound> {
  const contextSeconds = (decoder.dims.windowFrames / decoder.dims.frameRate) * CONTEXT_SHARE;
  const length = song.samples[0]?.length ?? 0;
  const contextLength = Math.min(length, Math.round(contextSeconds * song.sampleRate));
  const end = song.samples.map((one) => one.subarray(length - contextLength));
  const channels = decoder.dims.channels;
  const asCodec = await resample(
    { samples: mixTo(end, channels), sampleRate: song.sampleRate },
    codec.dims.sampleRate,
    options.signal,
  );
  const made = await composeContinuation(decoder, codec, asCodec, options);
  const back = await resample(made, song.sampleRate, options.signal);
  const added = Math.round(options.seconds * song.sampleRate);
  const continuation = mixTo(back.samples, song.samples.length).map((one) =>
    fitLength(one, contextLength + added),
  );
  return joinContinuation(song, continuation, contextLength, added);
}

/**
 * The song and its continuation, `[channels][samples]`, which begins `contextLength` samples before the song's end and
 * lasts `added` samples beyond it: level matched, faded over, and nowhere above the song's own peaks.
 */
export function joinContinuation(
  song: Sound,
  continuation: readonly Float32Array[],
  contextLength: number,
  added: number,
): Sound {
  const { sampleRate } = song;
  const length = song.samples[0]?.length ?? 0;
  const rendered = rmsOf(continuation.map((one) => one.subarray(0, contextLength)));
  const original = rmsOf(song.samples.map((one) => one.subarray(length - contextLength)));
  const wanted = rendered > 1e-4 ? Math.min(MOST_GAIN, Math.max(1 / MOST_GAIN, original / rendered)) : 1;
  // The song itself is never turned down for what follows it.
  const gain = Math.min(wanted, HIGHEST_PEAK / Math.max(1e-6, peakOf(continuation)));
  const overlap = Math.min(contextLength, Math.round(CROSSFADE_SECONDS * sampleRate));
  const likeness = correlation(
    song.samples.map((one) => one.subarray(length - overlap)),
    continuation.map((one) => one.subarray(contextLength - overlap, contextLength)),
  );
  const samples = song.samples.map((one, channel) => {
    const out = new Float32Array(length + added);
    out.set(one);
    const more = continuation[channel] as Float32Array;
    for (let i = 0; i < overlap + added; i++) {
      const at = length - overlap + i;
      const fresh = (more[contextLength - overlap + i] ?? 0) * gain;
      if (i >= overlap) {
        out[at] = fresh;
        continue;
      }
      // Equal power, as far as the waveforms differ: what they have in common adds up by itself.
      const angle = ((i + 0.5) / overlap) * (Math.PI / 2);
      const [old, fading] = [Math.cos(angle), Math.sin(angle)];
      const power = Math.sqrt(1 + 2 * likeness * old * fading);
      out[at] = ((one[at] ?? 0) * old + fresh * fading) / power;
    }
    return out;
  });
  // Two waves may still meet at their peaks; nothing but such a place is above what the song has.
  const ceiling = Math.max(HIGHEST_PEAK, peakOf(song.samples));
  const joined = { samples: limit(samples, sampleRate, ceiling), sampleRate };
  fadeEnds(joined, 0, 0.25);
  return joined;
}

/** How far two sounds are the same waveform: 0 (not at all, or against each other) to 1. */
function correlation(first: readonly Float32Array[], second: readonly Float32Array[]): number {
  let both = 0;
  let ours = 0;
  let theirs = 0;
  for (const [channel, one] of first.entries()) {
    for (const [i, value] of one.entries()) {
      const other = second[channel]?.[i] ?? 0;
      both += value * other;
      ours += value * value;
      theirs += other * other;
    }
  }
  return ours > 0 && theirs > 0 ? Math.max(0, both / Math.sqrt(ours * theirs)) : 0;
}

/** Mono to several channels by copying, several to mono by their mean. */
function mixTo(samples: readonly Float32Array[], channels: number): Float32Array[] {
  if (samples.length === channels) return [...samples];
  const first = samples[0] ?? new Float32Array();
  if (channels === 1) {
    return [first.map((_, i) => samples.reduce((sum, one) => sum + (one[i] ?? 0), 0) / samples.length)];
  }
  return Array.from({ length: channels }, (_, c) => samples[c % samples.length] ?? first);
}
