import { describe, expect, it } from 'vitest';
import { peakOf } from '#inference/media/audio';
import type { Codec } from '#inference/music/codec';
import { composeNew } from '#inference/music/compose';
import { emptyCodes, type MusicDecoder } from '#inference/music/decoder';

/** A decoder that counts its runs and a codec whose first `silent` renderings are silent. */
function instruments(silent: number) {
  let runs = 0;
  const seeds: number[] = [];
  const decoder = {
    dims: { codebooks: 1 },
    async generate(
      _condition: unknown,
      _prompt: unknown,
      frames: number,
      _s: unknown,
      o: { random(): number },
    ) {
      runs += 1;
      seeds.push(o.random());
      return emptyCodes(1, frames);
    },
  } as unknown as MusicDecoder;
  const codec = {
    dims: { sampleRate: 16_000, hop: 640 },
    async decode({ steps }: { steps: number }) {
      const loud = runs > silent ? 0.3 : 1e-5;
      const samples = Float32Array.from({ length: steps * 640 }, (_, i) => loud * Math.sin(i / 10));
      return { samples: [samples], sampleRate: 16_000 };
    },
  } as unknown as Codec;
  return { decoder, codec, runs: () => runs, seeds };
}

const condition = { states: new Float32Array(1), length: 1, width: 1, mask: new Float32Array(1) };
const sampling = { guidance: 3, temperature: 1, topK: 10 };

describe('silence', () => {
  it('is tried again under another stream of the same seed, and said', async () => {
    const { decoder, codec, runs, seeds } = instruments(1);
    const notes: string[] = [];
    const options = {
      condition,
      sampling,
      seconds: 1.5,
      seed: 4,
      onNote: (note: string) => notes.push(note),
    };
    const sound = await composeNew(decoder, codec, options);
    expect(runs()).toBe(2);
    expect(new Set(seeds).size).toBe(2);
    expect(notes).toEqual([expect.stringMatching(/again/)]);
    expect(sound.samples[0]).toHaveLength(24_000);
    expect(peakOf(sound.samples)).toBeGreaterThan(0.1);
  });

  it('that stays is given after two more tries, and said', async () => {
    const { decoder, codec, runs } = instruments(9);
    const notes: string[] = [];
    const options = { condition, sampling, seconds: 1, seed: 4, onNote: (note: string) => notes.push(note) };
    await composeNew(decoder, codec, options);
    expect(runs()).toBe(3);
    expect(notes.at(-1)).toMatch(/silent/);
  });
});
