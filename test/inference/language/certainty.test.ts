import { describe, expect, it } from 'vitest';
import { certaintyNote, leastCertain, probabilityOf, sentencesIn } from '#inference/language/certainty';

const pieces = (...parts: [string, number][]) => parts.map(([text, probability]) => ({ text, probability }));

describe('how sure a model is of its answer', () => {
  it('takes the probability of a token from its logits, forbidden tokens left out', () => {
    const logits = Float32Array.from([1, 2, 3, -Infinity]);
    const whole = Math.exp(1) + Math.exp(2) + Math.exp(3);
    expect(probabilityOf(logits, 1)).toBeCloseTo(Math.exp(2) / whole, 6);
    expect(probabilityOf(logits, 3)).toBe(0);
    expect(probabilityOf(Float32Array.from([1000, 999]), 0)).toBeCloseTo(1 / (1 + Math.exp(-1)), 5);
  });

  it('is that of the least certain sentence', () => {
    const answer = pieces(
      ['The', 1],
      [' style', 0.9],
      [' is', 1],
      [' jazz', 0.5],
      ['.', 1],
      [' It', 1],
      [' swings', 0.8],
      ['.', 1],
      ['', 0.99],
    );
    expect(leastCertain(answer)).toBeCloseTo(0.45, 6);
    expect(leastCertain(answer.slice(5))).toBeCloseTo(0.8, 6);
  });

  it('leaves the last digit of a number out', () => {
    expect(leastCertain(pieces([' 1', 0.9], ['2', 0.8], ['8', 0.1], [' bpm', 1], ['.', 1]))).toBeCloseTo(
      0.72,
      6,
    );
    expect(leastCertain(pieces([' 3', 0.7], ['/', 1], ['4', 0.6], ['.', 1]))).toBeCloseTo(0.42, 6);
  });

  it('counts a sentence that was not ended, and nothing where nothing was said', () => {
    expect(leastCertain(pieces(['Yes', 0.4]))).toBeCloseTo(0.4, 6);
    expect(leastCertain([])).toBeNull();
    expect(leastCertain(pieces(['', 0.3]))).toBeNull();
  });

  it('is told in words, and a guess is called one', () => {
    expect(certaintyNote(0.834, 1)).toBe('By its own estimate the model is 83 % sure of this.');
    expect(certaintyNote(0.2, 3)).toMatch(
      /20 % sure of the least certain part of this\. Take it as a guess\.$/,
    );
    expect(certaintyNote(1, 1)).toMatch(/99 %/);
    expect(sentencesIn('The metre is 4/4. It swings.')).toBe(2);
    expect(sentencesIn('Yes')).toBe(1);
  });
});
