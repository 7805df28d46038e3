import { peakOf, resample, rmsOf, type Sound } from '#inference/media/audio';
import { fadeEnds, fitLength } from '#inference/media/loudness';
import type { Codec } from '#inference/music/codec';
import { type ComposeOptions, composeContinuation } from '#inference/music/compose';
import type { MusicDecoder } from '#inference/music/decoder';
import { CONTEXT_SHARE } from '#inference/music/windows';

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
  return join(song, continuation, contextLength, added);
}

/** `continuation` begins `contextLength` samples before the song's end. */
function join(song: Sound, continuation: Float32Array[], contextLength: number, added: number): Sound {
  const { sampleRate } = song;
  const length = song.samples[0]?.length ?? 0;
  const rendered = rmsOf(continuation.map((one) => one.subarray(0, contextLength)));
  const original = rmsOf(song.samples.map((one) => one.subarray(length - contextLength)));
  const wanted = rendered > 1e-4 ? Math.min(MOST_GAIN, Math.max(1 / MOST_GAIN, original / rendered)) : 1;
  // The song itself is never turned down for what follows it.
  const gain = Math.min(wanted, HIGHEST_PEAK / Math.max(1e-6, peakOf(continuation)));
  const overlap = Math.min(contextLength, Math.round(CROSSFADE_SECONDS * sampleRate));
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
      // Equal power: both are the same music, but not the same waveform.
      const angle = ((i + 0.5) / overlap) * (Math.PI / 2);
      out[at] = (one[at] ?? 0) * Math.cos(angle) + fresh * Math.sin(angle);
    }
    return out;
  });
  const joined = { samples, sampleRate };
  fadeEnds(joined, 0, 0.25);
  return joined;
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
