import { describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { isExactRemix } from '#inference/remix/is-exact';
import { parseInstruction } from '#inference/remix/parse';
import type { EditStep } from '#inference/remix/plan';

const cases: [string, EditStep[]][] = [
  ['20 % slower', [{ kind: 'tempo', ratio: 0.8 }]],
  ['make it 20% slower', [{ kind: 'tempo', ratio: 0.8 }]],
  ['slow it down by 20 percent', [{ kind: 'tempo', ratio: 0.8 }]],
  ['25% faster please', [{ kind: 'tempo', ratio: 1.25 }]],
  ['speed it up by 10 %', [{ kind: 'tempo', ratio: 1.1 }]],
  ['play it at 80 % speed', [{ kind: 'tempo', ratio: 0.8 }]],
  ['slow it down to 80% without changing the pitch', [{ kind: 'tempo', ratio: 0.8 }]],
  ['twice as fast', [{ kind: 'tempo', ratio: 2 }]],
  ['at half speed', [{ kind: 'tempo', ratio: 0.5 }]],
  ['1.5x speed', [{ kind: 'tempo', ratio: 1.5 }]],
  ['duration x 0.5', [{ kind: 'tempo', ratio: 2 }]],
  ['change the tempo to 90 bpm', [{ kind: 'tempo-to', bpm: 90 }]],
  ['to 90 bpm', [{ kind: 'tempo-to', bpm: 90 }]],
  ['10 bpm faster', [{ kind: 'tempo-by', bpm: 10 }]],
  ['stretch it to 30 seconds', [{ kind: 'stretch-to', seconds: 30 }]],
  ['a whole tone up', [{ kind: 'pitch', cents: 200 }]],
  ['half a tone down', [{ kind: 'pitch', cents: -100 }]],
  ['up 3 semitones', [{ kind: 'pitch', cents: 300 }]],
  ['pitch it down by two semitones', [{ kind: 'pitch', cents: -200 }]],
  ['transpose up a fifth', [{ kind: 'pitch', cents: 700 }]],
  ['down an octave', [{ kind: 'pitch', cents: -1200 }]],
  ['30 cents down', [{ kind: 'pitch', cents: -30 }]],
  ['pitch +100 cents', [{ kind: 'pitch', cents: 100 }]],
  ['pitch -200 cents', [{ kind: 'pitch', cents: -200 }]],
  ['keep only the first 10 seconds', [{ kind: 'trim', start: 0, end: 10 }]],
  ['cut the first 5 seconds', [{ kind: 'trim', start: 5, end: undefined }]],
  ['remove the last 3 s', [{ kind: 'trim', start: 0, end: -3 }]],
  ['from 0:10 to 0:20', [{ kind: 'trim', start: 10, end: 20 }]],
  ['trim to 30 seconds', [{ kind: 'trim', start: 0, end: 30 }]],
  ['cut out from 0:10 to 0:20', [{ kind: 'cut', start: 10, end: 20 }]],
  ['fade out over 5 seconds', [{ kind: 'fade', direction: 'out', seconds: 5 }]],
  [
    'fade in 2 seconds and out over 3 seconds',
    [
      { kind: 'fade', direction: 'in', seconds: 2 },
      { kind: 'fade', direction: 'out', seconds: 3 },
    ],
  ],
  ['play it backwards', [{ kind: 'reverse' }]],
  ['loop it 3 times', [{ kind: 'loop', times: 3 }]],
  ['repeat it until 1:00', [{ kind: 'loop-to', seconds: 60 }]],
  ['3 dB louder', [{ kind: 'gain', decibels: 3 }]],
  ['turn it down by 6 db', [{ kind: 'gain', decibels: -6 }]],
  ['normalise to -16 LUFS', [{ kind: 'loudness', lufs: -16 }]],
  ['more bass', [{ kind: 'bass', decibels: 6 }]],
  [
    'boost the bass by 4 dB and cut the treble by 3 dB',
    [
      { kind: 'bass', decibels: 4 },
      { kind: 'treble', decibels: -3 },
    ],
  ],
  [
    'slowed + reverb',
    [
      { kind: 'varispeed', ratio: 0.85 },
      { kind: 'reverb', mix: 0.35, seconds: 2.8 },
    ],
  ],
  ['nightcore', [{ kind: 'varispeed', ratio: 1.25 }]],
  ['remove the vocals', [{ kind: 'fewer-vocals' }]],
  ['karaoke version', [{ kind: 'fewer-vocals' }]],
  ['only the drums', [{ kind: 'part', part: 'percussive' }]],
  ['remove the drums', [{ kind: 'part', part: 'harmonic' }]],
  ['harmonic part only', [{ kind: 'part', part: 'harmonic' }]],
  ['keep the pitch, 10 % faster', [{ kind: 'tempo', ratio: 1.1 }]],
  [
    'trim to 20 s, then 20 % slower, a semitone up and add a little reverb',
    [
      { kind: 'trim', start: 0, end: 20 },
      { kind: 'tempo', ratio: 0.8 },
      { kind: 'pitch', cents: 100 },
      { kind: 'reverb', mix: 0.15, seconds: 1.8 },
    ],
  ],
  ['turn it into jazz', [{ kind: 'model', change: 'style', instruction: 'turn it into jazz' }]],
  [
    'replace the piano with a violin',
    [{ kind: 'model', change: 'replace', instruction: 'replace the piano with a violin' }],
  ],
  ['add drums', [{ kind: 'model', change: 'add', instruction: 'add drums' }]],
  [
    'make it happier and 10% faster',
    [
      { kind: 'model', change: 'style', instruction: 'make it happier' },
      { kind: 'tempo', ratio: 1.1 },
    ],
  ],
];

describe('parseInstruction', () => {
  it.each(cases)('%s', (instruction, expected) => {
    const steps = parseInstruction(instruction);
    expect(steps).toHaveLength(expected.length);
    for (const [index, step] of steps.entries()) {
      const wanted = expected[index] as EditStep;
      expect(step.kind).toBe(wanted.kind);
      for (const [key, value] of Object.entries(wanted)) {
        const actual = (step as unknown as Record<string, unknown>)[key];
        if (typeof value === 'number') expect(actual).toBeCloseTo(value, 9);
        else expect(actual).toEqual(value);
      }
    }
  });

  it.each(['order me a pizza', '???', 'fly to the moon', 'ارفع الصوت', '🎵🎵'])(
    'cannot do: %s',
    (instruction) => {
      expect(() => parseInstruction(instruction)).toThrowError(MumuError);
      try {
        parseInstruction(instruction);
      } catch (error) {
        expect((error as MumuError).code).toBe('cannot_do');
        expect((error as MumuError).message).toMatch(/I can change tempo/);
      }
    },
  );

  it.each(['100 times faster', '50 semitones up', '+90 dB louder'])('out of range: %s', (instruction) => {
    expect(() => parseInstruction(instruction)).toThrowError(/out of range/);
  });
});

describe('what makes no new music', () => {
  it('is what is done on the song itself, and what is not understood', () => {
    expect(['20 % slower, more reverb', 'fewer vocals', 'fly to the moon'].map(isExactRemix)).toEqual([
      ...[true, true, true],
    ]);
    expect(['turn it into jazz', '20 % slower and turn it into jazz'].map(isExactRemix)).toEqual([
      ...[false, false],
    ]);
  });
});
