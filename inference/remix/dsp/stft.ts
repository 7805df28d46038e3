/**
 * Short-time Fourier analysis and resynthesis, block by block, so that a ten-minute song is never held as a
 * whole spectrogram. Square-root Hann windows on both sides with a hop of a quarter window add up to a constant.
 */
import FFT from 'fft.js';

/** Spectra of one block: `re` and `im` are [frames, bins], row after row. */
export interface Spectra {
  frames: number;
  bins: number;
  re: Float32Array;
  im: Float32Array;
}

export class Stft {
  readonly bins: number;
  readonly hop: number;
  private readonly fft: FFT;
  private readonly window: Float64Array;
  private readonly scale: number;
  private readonly time: Float64Array;
  private readonly spectrum: Float64Array;
  private readonly back: Float64Array;

  /** @param size window length in samples, a power of two */
  constructor(readonly size: number) {
    this.hop = size / 4;
    this.bins = size / 2 + 1;
    this.fft = new FFT(size);
    this.window = Float64Array.from({ length: size }, (_, i) => Math.sin((Math.PI * (i + 0.5)) / size));
    // Four overlapping squared sines add up to 2.
    this.scale = 1 / 2;
    this.time = new Float64Array(size);
    this.spectrum = new Float64Array(2 * size);
    this.back = new Float64Array(2 * size);
  }

  /** Number of frames that cover `length` samples with a window's lead on both sides. */
  framesFor(length: number): number {
    return Math.ceil((length + this.size) / this.hop);
  }

  /** Spectra of frames [first, first + count); frame k starts at sample k * hop - size + hop. */
  analyse(samples: Float32Array, first: number, count: number): Spectra {
    const { size, hop, bins } = this;
    const re = new Float32Array(count * bins);
    const im = new Float32Array(count * bins);
    for (let frame = 0; frame < count; frame++) {
      const start = (first + frame) * hop - size + hop;
      for (let i = 0; i < size; i++) {
        this.time[i] = (samples[start + i] ?? 0) * (this.window[i] as number);
      }
      this.fft.realTransform(this.spectrum, this.time);
      for (let bin = 0; bin < bins; bin++) {
        re[frame * bins + bin] = this.spectrum[2 * bin] as number;
        im[frame * bins + bin] = this.spectrum[2 * bin + 1] as number;
      }
    }
    return { frames: count, bins, re, im };
  }

  /** Adds frames [from, to) of `spectra`, whose first frame is number `first`, to `out`. */
  synthesise(spectra: Spectra, first: number, from: number, to: number, out: Float32Array): void {
    const { size, hop, bins } = this;
    for (let frame = from; frame < to; frame++) {
      for (let bin = 0; bin < bins; bin++) {
        this.spectrum[2 * bin] = spectra.re[frame * bins + bin] as number;
        this.spectrum[2 * bin + 1] = spectra.im[frame * bins + bin] as number;
      }
      this.fft.completeSpectrum(this.spectrum);
      this.fft.inverseTransform(this.back, this.spectrum);
      const start = (first + frame) * hop - size + hop;
      for (let i = 0; i < size; i++) {
        const at = start + i;
        if (at < 0 || at >= out.length) continue;
        out[at] =
          (out[at] as number) + (this.back[2 * i] as number) * (this.window[i] as number) * this.scale;
      }
    }
  }
}

/** Lets the event loop turn, and throws what the signal was aborted with. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
