import { describe, expect, it } from 'vitest';
import { beatFramesOf, contextFrames } from '#inference/music/windows';

const WINDOW = 250;
const RATE = 25;

describe('windows of long music', () => {
  it('take the usual share of what went before where no beat is known', () => {
    expect(contextFrames(250, WINDOW)).toBe(100);
    expect(contextFrames(60, WINDOW)).toBe(60);
    expect(contextFrames(60, WINDOW, 12.5)).toBe(60);
  });

  it('begin with a beat, whatever the tempo, and keep between a fifth and three fifths of the window', () => {
    for (let bpm = 50; bpm <= 200; bpm++) {
      const beat = (60 / bpm) * RATE;
      for (let done = WINDOW; done < 3000; ) {
        const context = contextFrames(done, WINDOW, beat);
        const beats = (done - context) / (2 * beat);
        // Half a frame is as near as whole frames come.
        expect(Math.abs(beats - Math.round(beats)) * 2 * beat).toBeLessThanOrEqual(0.5001);
        expect(context).toBeGreaterThanOrEqual(0.2 * WINDOW);
        expect(context).toBeLessThanOrEqual(0.6 * WINDOW);
        done += WINDOW - context;
      }
    }
  });

  it('do not begin so that nothing is left, however slow the beat', () => {
    expect(contextFrames(250, WINDOW, 200)).toBe(100);
  });
});

describe('the beat of a caption', () => {
  it.each([
    ['a fast rock piece with piano at 120 bpm', 12.5],
    ['a waltz at 60 BPM, for a beach at night', 25],
    ['a fast rock piece with piano', undefined],
    ['a piece at 999 bpm', undefined],
    ['a piece at 0 bpm', undefined],
  ])('%s', (caption, frames) => {
    expect(beatFramesOf(caption, RATE)).toBe(frames);
  });
});
