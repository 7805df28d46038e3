/**
 * Separation by masks on the spectrogram: harmonic against percussive (D. FitzGerald, "Harmonic/percussive
 * separation using median filtering", DAFx 2010), and the middle of the stereo image against its sides
 * (after C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes", WASPAA 2003).
 */
import { breathe, type Spectra, Stft } from '#inference/remix/dsp/stft';

const WINDOW = 2048;
/** Median lengths, in frames and in bins (librosa's defaults). */
const MEDIAN = 31;
/** Frames handled at a time, without the margin. */
const BLOCK = 512;

type Progress = (fraction: number) => void;

/**
 * Harmonic or percussive part of a sound, by soft masks of power 2: the two parts add up to the whole.
 * @param samples channels of equal length
 */
export async function harmonicPercussive(
  samples: readonly Float32Array[],
  part: 'harmonic' | 'percussive',
  onProgress: Progress = () => {},
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const margin = (MEDIAN - 1) / 2;
  const outputs: Float32Array[] = [];
  for (const [channel, input] of samples.entries()) {
    const stft = new Stft(WINDOW);
    const output = new Float32Array(input.length);
    const frames = stft.framesFor(input.length);
    for (let first = 0; first < frames; first += BLOCK) {
      const count = Math.min(BLOCK, frames - first);
      const spectra = stft.analyse(input, first - margin, count + 2 * margin);
      maskPart(spectra, part, margin, count);
      stft.synthesise(spectra, first - margin, margin, margin + count, output);
      onProgress((channel + (first + count) / frames) / samples.length);
      await breathe(signal);
    }
    outputs.push(output);
  }
  return outputs;
}

function maskPart(spectra: Spectra, part: 'harmonic' | 'percussive', from: number, count: number): void {
  const { frames, bins, re, im } = spectra;
  const magnitude = new Float32Array(frames * bins);
  for (let i = 0; i < magnitude.length; i++) magnitude[i] = Math.hypot(re[i] as number, im[i] as number);
  const along = new Float32Array(frames);
  const harmonic = new Float32Array(frames * bins);
  for (let bin = 0; bin < bins; bin++) {
    for (let frame = 0; frame < frames; frame++) along[frame] = magnitude[frame * bins + bin] as number;
    const smooth = slidingMedian(along, MEDIAN);
    for (let frame = 0; frame < frames; frame++) harmonic[frame * bins + bin] = smooth[frame] as number;
  }
  for (let frame = from; frame < from + count; frame++) {
    const percussive = slidingMedian(magnitude.subarray(frame * bins, (frame + 1) * bins), MEDIAN);
    for (let bin = 0; bin < bins; bin++) {
      const at = frame * bins + bin;
      const h = (harmonic[at] as number) ** 2;
      const p = (percussive[bin] as number) ** 2;
      const mask = (part === 'harmonic' ? h : p) / (h + p + 1e-12);
      re[at] = (re[at] as number) * mask;
      im[at] = (im[at] as number) * mask;
    }
  }
}

/** Median over a window of odd `length` around each value; the ends repeat the outermost value. */
export function slidingMedian(values: Float32Array, length: number): Float32Array {
  const half = (length - 1) / 2;
  const last = values.length - 1;
  const at = (index: number): number => values[Math.min(last, Math.max(0, index))] as number;
  const sorted = Float32Array.from({ length }, (_, i) => at(i - half)).sort();
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    result[i] = sorted[half] as number;
    replaceSorted(sorted, at(i - half), at(i + half + 1));
  }
  return result;
}

/** Takes one value out of a sorted array and puts another in. */
function replaceSorted(sorted: Float32Array, out: number, into: number): void {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < out) low = middle + 1;
    else high = middle;
  }
  let index = low;
  while (index + 1 < sorted.length && (sorted[index + 1] as number) < into) {
    sorted[index] = sorted[index + 1] as number;
    index++;
  }
  while (index > 0 && (sorted[index - 1] as number) > into) {
    sorted[index] = sorted[index - 1] as number;
    index--;
  }
  sorted[index] = into;
}

/** Below this frequency the middle stays: bass and bass drum sit there too. Hz */
const CENTRE_LOW = 140;
/** Above this frequency the middle stays: cymbals' air. Hz */
const CENTRE_HIGH = 9000;

/**
 * Takes away what both channels share, between 140 Hz and 9 kHz, and leaves the sides in stereo.
 * For each bin the similarity 2 Re(L conj R) / (|L|² + |R|²) is 1 for sound in the middle and 0 for sound in one
 * channel only; the shared part (L + R) / 2 is subtracted in proportion to its sixth power.
 */
export async function removeCentre(
  left: Float32Array,
  right: Float32Array,
  sampleRate: number,
  onProgress: Progress = () => {},
  signal?: AbortSignal,
): Promise<[Float32Array, Float32Array]> {
  const stft = new Stft(4096);
  const outLeft = new Float32Array(left.length);
  const outRight = new Float32Array(right.length);
  const frames = stft.framesFor(left.length);
  const lowest = Math.ceil((CENTRE_LOW * stft.size) / sampleRate);
  const highest = Math.min(stft.bins, Math.floor((CENTRE_HIGH * stft.size) / sampleRate));
  for (let first = 0; first < frames; first += BLOCK) {
    const count = Math.min(BLOCK, frames - first);
    const l = stft.analyse(left, first, count);
    const r = stft.analyse(right, first, count);
    for (let frame = 0; frame < count; frame++) {
      for (let bin = lowest; bin < highest; bin++) {
        const at = frame * stft.bins + bin;
        const lr = l.re[at] as number;
        const li = l.im[at] as number;
        const rr = r.re[at] as number;
        const ri = r.im[at] as number;
        const power = lr * lr + li * li + rr * rr + ri * ri;
        const similarity = Math.max(0, (2 * (lr * rr + li * ri)) / (power + 1e-12));
        const amount = similarity ** 6;
        const sharedRe = ((lr + rr) / 2) * amount;
        const sharedIm = ((li + ri) / 2) * amount;
        l.re[at] = lr - sharedRe;
        l.im[at] = li - sharedIm;
        r.re[at] = rr - sharedRe;
        r.im[at] = ri - sharedIm;
      }
    }
    stft.synthesise(l, first, 0, count, outLeft);
    stft.synthesise(r, first, 0, count, outRight);
    onProgress((first + count) / frames);
    await breathe(signal);
  }
  return [outLeft, outRight];
}
