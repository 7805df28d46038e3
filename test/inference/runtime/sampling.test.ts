import { describe, expect, it } from 'vitest';
import { createRandom } from '#inference/runtime/random';
import { argmax, sampleTopK, sampleTopP } from '#inference/runtime/sampling';

const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);

function frequencies(draw: (random: () => number) => number, n = 20_000): number[] {
  const random = createRandom(3, 'test');
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const index = draw(random);
    counts[index] = (counts[index] ?? 0) + 1 / n;
  }
  return counts;
}

describe('random numbers', () => {
  it('repeat by seed and stream, and differ by either', () => {
    const take = (seed: number, stream: string) => {
      const random = createRandom(seed, stream);
      return [random(), random(), random()];
    };
    expect(take(1, 'music')).toEqual(take(1, 'music'));
    expect(take(1, 'music')).not.toEqual(take(2, 'music'));
    expect(take(1, 'music')).not.toEqual(take(1, 'language'));
  });

  it('are even', () => {
    const random = createRandom(0, '');
    const bins = new Array<number>(10).fill(0);
    let sum = 0;
    for (let i = 0; i < 50_000; i++) {
      const value = random();
      sum += value;
      bins[Math.floor(value * 10)] = (bins[Math.floor(value * 10)] ?? 0) + 1;
    }
    expect(Math.abs(sum / 50_000 - 0.5)).toBeLessThan(0.005);
    for (const count of bins) expect(Math.abs(count - 5000)).toBeLessThan(300);
  });
});

describe('sampling', () => {
  it('temperature 0 takes the likeliest, the first of equals', () => {
    expect(sampleTopP(logits, { temperature: 0, topP: 0.1 }, () => 0.99)).toBe(0);
    expect(argmax([1, 3, 3, 2])).toBe(1);
  });

  it('draws by probability', () => {
    const seen = frequencies((random) => sampleTopP(logits, { temperature: 1, topP: 1 }, random));
    for (const [i, share] of [0.5, 0.3, 0.15, 0.05].entries()) {
      expect(Math.abs((seen[i] ?? 0) - share)).toBeLessThan(0.02);
    }
  });

  it('top-p keeps the smallest set with that probability and leaves its proportions', () => {
    const seen = frequencies((random) => sampleTopP(logits, { temperature: 1, topP: 0.75 }, random));
    expect(Math.abs((seen[0] ?? 0) - 0.5 / 0.8)).toBeLessThan(0.02);
    expect(seen.slice(2)).toEqual([0, 0]);
  });

  it('top-k keeps the k likeliest, temperature sharpens', () => {
    const seen = frequencies((random) => sampleTopK(logits, { temperature: 0.5, topK: 2 }, random));
    expect(Math.abs((seen[0] ?? 0) - 0.25 / (0.25 + 0.09))).toBeLessThan(0.02);
    expect(seen.slice(2)).toEqual([0, 0]);
  });

  it('never draws what is forbidden, also at the edge of the last number', () => {
    const barred = Float32Array.from([-Infinity, 1, -Infinity, 1]);
    const seen = frequencies((random) => sampleTopP(barred, { temperature: 2, topP: 1 }, random));
    expect([seen[0], seen[2]]).toEqual([0, 0]);
    expect(sampleTopP(barred, { temperature: 1, topP: 1 }, () => 1 - 2 ** -32)).toBe(3);
  });
});
