import { filterAudio, interleave, peakOf, SILENCE_PEAK, type Sound } from '#inference/media/audio';
import { transcode } from '#inference/media/ffmpeg';

/** Loudness of new music, LUFS (EBU R 128 measure; -14 is what streaming services play at). */
export const TARGET_LUFS = -14;
/** Highest true peak, dBTP. */
export const TARGET_PEAK = -1;
/** The limiter takes at most this much off peaks, dB: past it, music would pump. */
const MOST_LIMITING = 8;

/** Very quiet sound is raised by at most this much, dB: past it one hears only noise. */
const MOST_GAIN = 40;

export type Loudness = {
  /** LUFS; -Infinity for silence. */ integrated: number /** dBTP. */;
  truePeak: number;
};

/** Integrated loudness and true peak by ffmpeg's ebur128 (ITU-R BS.1770-4). */
export async function measureLoudness(sound: Sound, signal?: AbortSignal): Promise<Loudness> {
  const report = await transcode({
    inputs: [{ pcm: interleave(sound), sampleRate: sound.sampleRate, channels: sound.samples.length }],
    audioFilters: ['ebur128=peak=true:framelog=verbose'],
    outputOptions: [],
    output: null,
    format: 'null',
    loglevel: 'info',
    signal,
  });
  const integrated = last(report, /I:\s+(-?[\d.]+|-inf) LUFS/g);
  const truePeak = last(report, /Peak:\s+(-?[\d.]+|-inf) dBFS/g);
  // The gate's floor: ebur128 prints -70 where nothing passed it.
  return { integrated: integrated <= -70 ? -Infinity : integrated, truePeak };
}

function last(text: string, pattern: RegExp): number {
  const found = [...text.matchAll(pattern)].at(-1)?.[1];
  return found === undefined || found === '-inf' ? -Infinity : Number(found);
}

/**
 * Brings music to TARGET_LUFS with one gain; peaks over TARGET_PEAK are held by a limiter at four times the rate
 * (so that it sees the peaks between samples), by MOST_LIMITING dB at most: what is too spiky stays quieter.
 * Length and channels stay as they were; silence is returned as it is.
 */
export async function normaliseLoudness(sound: Sound, signal?: AbortSignal): Promise<Sound> {
  if (peakOf(sound.samples) < SILENCE_PEAK) return sound;
  const { integrated, truePeak } = await measureLoudness(sound, signal);
  if (!Number.isFinite(integrated)) return amplify(sound, Math.min(MOST_GAIN, TARGET_PEAK - truePeak));
  const gain = Math.min(MOST_GAIN, TARGET_LUFS - integrated, TARGET_PEAK - truePeak + MOST_LIMITING);
  if (truePeak + gain <= TARGET_PEAK) return amplify(sound, gain);
  const { sampleRate } = sound;
  const ceiling = (10 ** ((TARGET_PEAK - 0.3) / 20)).toFixed(4);
  const limited = await filterAudio(
    sound,
    [
      `volume=${gain.toFixed(4)}dB`,
      `aresample=${sampleRate * 4}`,
      `alimiter=limit=${ceiling}:attack=5:release=50:level=false:latency=true`,
    ],
    signal,
  );
  const length = sound.samples[0]?.length ?? 0;
  return { samples: limited.samples.map((one) => fitLength(one, length)), sampleRate };
}

/** Same sound, `decibels` louder. */
export function amplify(sound: Sound, decibels: number): Sound {
  const factor = 10 ** (decibels / 20);
  return {
    samples: sound.samples.map((one) => one.map((value) => value * factor)),
    sampleRate: sound.sampleRate,
  };
}

/** Cut or padded with silence to `length` samples. */
export function fitLength(samples: Float32Array, length: number): Float32Array {
  if (samples.length === length) return samples;
  const out = new Float32Array(length);
  out.set(samples.subarray(0, Math.min(length, samples.length)));
  return out;
}

/** Raised-cosine fades at both ends, in place; seconds are shortened for very short sounds. */
export function fadeEnds(sound: Sound, inSeconds: number, outSeconds: number): void {
  const { samples, sampleRate } = sound;
  for (const one of samples) {
    const rise = Math.min(Math.round(inSeconds * sampleRate), one.length >> 2);
    const fall = Math.min(Math.round(outSeconds * sampleRate), one.length >> 2);
    for (let i = 0; i < rise; i++) one[i] = (one[i] ?? 0) * (0.5 - 0.5 * Math.cos((Math.PI * i) / rise));
    for (let i = 0; i < fall; i++) {
      const at = one.length - 1 - i;
      one[at] = (one[at] ?? 0) * (0.5 - 0.5 * Math.cos((Math.PI * i) / fall));
    }
  }
}
