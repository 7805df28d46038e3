/**
 * The tempo of a recording, for "to 90 bpm": onset strength by spectral flux, its autocorrelation weighted with a
 * log-normal prior around 120 bpm (D. Ellis, "Beat tracking by dynamic programming", JNMR 2007), then refined on
 * the lags of many beats, where an error of one frame weighs less.
 */
import { breathe, Stft } from '#inference/remix/dsp/stft';

const WINDOW = 1024;
const BLOCK = 2048;
const SLOWEST = 40;
const FASTEST = 240;

/** Spectral flux of log magnitudes, one value a frame of 256 samples, without its slow drift. */
export async function onsetStrength(mono: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
  const stft = new Stft(WINDOW);
  const frames = Math.max(0, Math.floor(mono.length / stft.hop));
  const flux = new Float32Array(frames);
  let previous = new Float32Array(stft.bins);
  for (let first = 0; first < frames; first += BLOCK) {
    const count = Math.min(BLOCK, frames - first);
    const spectra = stft.analyse(mono, first, count);
    for (let frame = 0; frame < count; frame++) {
      const current = new Float32Array(stft.bins);
      let rise = 0;
      for (let bin = 1; bin < stft.bins; bin++) {
        const at = frame * stft.bins + bin;
        const level = Math.log1p(20 * Math.hypot(spectra.re[at] as number, spectra.im[at] as number));
        current[bin] = level;
        rise += Math.max(0, level - (previous[bin] as number));
      }
      flux[first + frame] = first + frame === 0 ? 0 : rise;
      previous = current;
    }
    await breathe(signal);
  }
  const mean = flux.reduce((sum, value) => sum + value, 0) / Math.max(1, frames);
  return flux.map((value) => value - mean);
}

/**
 * Beats a minute, or undefined for a sound without a beat (too short, silent, or no periodicity).
 * @param mono samples at `sampleRate` Hz
 */
export async function estimateTempo(
  mono: Float32Array,
  sampleRate: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const onsets = await onsetStrength(mono, signal);
  const rate = sampleRate / (WINDOW / 4);
  const longest = Math.min(onsets.length - 1, Math.ceil((60 / SLOWEST) * rate * 8));
  const correlation = new Float64Array(longest + 1);
  for (let lag = 0; lag <= longest; lag++) {
    let sum = 0;
    for (let i = lag; i < onsets.length; i++) sum += (onsets[i] as number) * (onsets[i - lag] as number);
    correlation[lag] = sum / (onsets.length - lag);
    if (lag % 64 === 0) await breathe(signal);
  }
  const zero = correlation[0] as number;
  const slowestLag = Math.min(longest - 1, Math.ceil((60 / SLOWEST) * rate));
  if (!(zero > 0) || slowestLag < (60 / FASTEST) * rate) return undefined;
  let best = 0;
  let bestScore = 0;
  for (let lag = Math.floor((60 / FASTEST) * rate); lag <= slowestLag; lag++) {
    const bpm = (60 * rate) / lag;
    const prior = Math.exp(-0.5 * (Math.log2(bpm / 120) / 0.9) ** 2);
    const score = ((correlation[lag] as number) / zero) * prior;
    if (score > bestScore) {
      bestScore = score;
      best = lag;
    }
  }
  if (best === 0 || bestScore < 0.02) return undefined;
  return (60 * rate) / refine(correlation, best, longest);
}

/** Follows the peak from one beat to two, four and eight, and divides: eight times the resolution. */
function refine(correlation: Float64Array, lag: number, longest: number): number {
  let period = peakNear(correlation, lag, 2);
  for (const beats of [2, 4, 8]) {
    const expected = period * beats;
    if (expected + 3 >= longest) break;
    const found = peakNear(correlation, Math.round(expected), Math.max(2, Math.round(beats / 2)));
    if ((correlation[Math.round(found)] ?? 0) < 0.3 * (correlation[lag] ?? 0)) break;
    period = found / beats;
  }
  return period;
}

/** Highest point within `reach` of a lag, between samples by a parabola. */
function peakNear(values: Float64Array, lag: number, reach: number): number {
  let best = lag;
  for (let i = Math.max(1, lag - reach); i <= Math.min(values.length - 2, lag + reach); i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  const [before, at, after] = [values[best - 1], values[best], values[best + 1]] as [number, number, number];
  const bend = before - 2 * at + after;
  return bend < 0 ? best + (0.5 * (before - after)) / bend : best;
}
