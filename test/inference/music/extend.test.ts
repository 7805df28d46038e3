import { describe, expect, it } from 'vitest';
import { peakOf } from '#inference/media/audio';
import { joinContinuation } from '#inference/music/extend';
import { createRandom } from '#inference/runtime/random';

const RATE = 16_000;
const CONTEXT = 2 * RATE;
const ADDED = 3 * RATE;

const wave = (seconds: number, value: (at: number) => number): Float32Array =>
  Float32Array.from({ length: seconds * RATE }, (_, at) => value(at));
const tone = (at: number): number => Math.sin((2 * Math.PI * 440 * at) / RATE);
/** Root mean square of samples [from, to). */
const rms = (samples: Float32Array, from: number, to: number): number =>
  Math.sqrt(samples.subarray(from, to).reduce((sum, one) => sum + one * one, 0) / (to - from));

describe('a song and what follows it', () => {
  it('keep their level where both are the same wave, and clip nowhere', () => {
    const song = wave(4, (at) => 0.98 * tone(at));
    // Begins two seconds before the song's end, in step with it.
    const more = wave(5, (at) => 0.98 * tone(at));
    const joined = joinContinuation({ samples: [song], sampleRate: RATE }, [more], CONTEXT, ADDED);
    const [out] = joined.samples as [Float32Array];
    expect(out.length).toBe(7 * RATE);
    expect(out.subarray(0, 3 * RATE)).toEqual(song.subarray(0, 3 * RATE));
    expect(peakOf(joined.samples)).toBeLessThanOrEqual(peakOf([song]) + 1e-6);
    const overlap = Math.round(0.15 * RATE);
    const end = 4 * RATE;
    expect(rms(out, end - overlap, end)).toBeCloseTo(rms(song, 0, end), 1);
    expect(Math.abs(20 * Math.log10(rms(out, end - overlap, end) / rms(song, 0, end)))).toBeLessThan(0.4);
  });

  it('keep their power where they have nothing in common', () => {
    const random = createRandom(1, 'noise');
    const song = wave(4, () => 0.4 * (random() - 0.5));
    const more = wave(5, () => 0.4 * (random() - 0.5));
    const [out] = joinContinuation({ samples: [song], sampleRate: RATE }, [more], CONTEXT, ADDED).samples;
    const end = 4 * RATE;
    const middle = rms(out as Float32Array, end - Math.round(0.1 * RATE), end - Math.round(0.05 * RATE));
    expect(Math.abs(20 * Math.log10(middle / rms(song, 0, end)))).toBeLessThan(0.7);
  });
});
