import { describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { isExactRemix } from '#inference/remix/is-exact';
import { parseInstruction } from '#inference/remix/parse';
import type { EditStep, ExactStep } from '#inference/remix/plan';

/** Amounts to a millionth. */
const rounded = (steps: readonly EditStep[]): unknown =>
  JSON.parse(
    JSON.stringify(steps, (_key, value) =>
      typeof value === 'number' ? Math.round(value * 1e6) / 1e6 : value,
    ),
  );

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
  ['play it on a flute', [{ kind: 'model', change: 'replace', instruction: 'play it on a flute' }]],
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

const model = (change: 'add' | 'replace' | 'remove' | 'style', instruction: string): EditStep => ({
  ...{ kind: 'model', change, instruction },
});
const section = (start: number, end: number | undefined, ...steps: ExactStep[]): EditStep => ({
  ...{ kind: 'section', start, end, steps },
});
const trim = (start: number, end?: number): ExactStep => ({ kind: 'trim', start, end });
const gain = (decibels: number): ExactStep => ({ kind: 'gain', decibels });
const tempo = (ratio: number): ExactStep => ({ kind: 'tempo', ratio });
const pitch = (cents: number): ExactStep => ({ kind: 'pitch', cents });
const REVERB: ExactStep = { kind: 'reverb', mix: 0.28, seconds: 1.8 };
const HALF = 20 * Math.log10(0.5);

/** What was read wrongly once, or easily is. */
const meanings: [string, EditStep[] | 'cannot_do'][] = [
  // A part of the song.
  ['make the first 10 seconds louder', [section(0, 10, gain(4))]],
  ['add reverb to the last 5 seconds', [section(-5, undefined, REVERB)]],
  ['reverse the last 5 seconds', [section(-5, undefined, { kind: 'reverse' })]],
  ['only reverse the last 5 seconds', [section(-5, undefined, { kind: 'reverse' })]],
  ['lower the pitch of the first 5 seconds', [section(0, 5, pitch(-200))]],
  ['slow down the last 10 seconds by 20 %', [section(-10, undefined, tempo(0.8))]],
  ['louder after 30 seconds', [section(30, undefined, gain(4))]],
  ['speed up from 0:10 to 0:20', [section(10, 20, tempo(1.15))]],
  ['first minute louder', [section(0, 60, gain(4))]],
  ['remove the vocals from the first 10 seconds', [section(0, 10, { kind: 'fewer-vocals' })]],
  ['for the last 5 seconds, reverse it', [section(-5, undefined, { kind: 'reverse' })]],
  [
    'reverse the first 5 seconds and the last 5 seconds',
    [section(0, 5, { kind: 'reverse' }), section(-5, undefined, { kind: 'reverse' })],
  ],
  ['loop the first 4 seconds 3 times', [trim(0, 4), { kind: 'loop', times: 3 }]],
  ['loop from 0:10 to 0:20', [trim(10, 20), { kind: 'loop', times: 2 }]],
  ['repeat the last 4 seconds', [section(-4, undefined, { kind: 'loop', times: 2 })]],
  ['fade out the last 5 seconds', [{ kind: 'fade', direction: 'out', seconds: 5 }]],
  ['fade in the first 3 s', [{ kind: 'fade', direction: 'in', seconds: 3 }]],
  ['fade out at the end', [{ kind: 'fade', direction: 'out', seconds: undefined }]],
  ['fade out from 0:20 to 0:30', 'cannot_do'],
  ['add drums to the first 10 seconds', 'cannot_do'],
  ['make the chorus louder', 'cannot_do'],
  ['make the 2nd verse louder', 'cannot_do'],
  ['reverse the second half', 'cannot_do'],
  ['make the first 10 seconds awesome', 'cannot_do'],
  // What trims.
  ['just the first 20 seconds', [trim(0, 20)]],
  ['the last 10 seconds', [trim(-10)]],
  ['keep from 0:30 to 1:00', [trim(30, 60)]],
  ['cut it to the first 30 seconds', [trim(0, 30)]],
  ['trim the last 3 seconds', [trim(0, -3)]],
  ['cut 5 seconds from the end', [trim(0, -5)]],
  ['remove everything after 0:30', [trim(0, 30)]],
  ['keep everything except the first 5 seconds', [trim(5)]],
  ['start at 0:10', [trim(10)]],
  ['between 1 minute and 2 minutes', [trim(60, 120)]],
  ['10 - 20 s', [trim(10, 20)]],
  ['keep the first 5 seconds and the last 5 seconds', 'cannot_do'],
  // Tempo.
  ['raise the tempo by 20 bpm', [{ kind: 'tempo-by', bpm: 20 }]],
  ['increase by 30 bpm', [{ kind: 'tempo-by', bpm: 30 }]],
  ['reduce the tempo by 40 bpm', [{ kind: 'tempo-by', bpm: -40 }]],
  ['slow it down by 15 bpm', [{ kind: 'tempo-by', bpm: -15 }]],
  ['+10 bpm', [{ kind: 'tempo-by', bpm: 10 }]],
  ['reduce the tempo to 90 bpm', [{ kind: 'tempo-to', bpm: 90 }]],
  ['set the bpm to 90', [{ kind: 'tempo-to', bpm: 90 }]],
  ['from 120 to 90 bpm', [tempo(0.75)]],
  ['change the tempo by 10 bpm', 'cannot_do'],
  ['tempo 80 %', [tempo(0.8)]],
  ['lower the tempo by 20 %', [tempo(0.8)]],
  ['speed -20 %', [tempo(0.8)]],
  ['80 % as fast', [tempo(0.8)]],
  ['a third faster', [tempo(4 / 3)]],
  ['slow it down to 2 minutes', [{ kind: 'stretch-to', seconds: 120 }]],
  ['20 % slower at 0:30', 'cannot_do'],
  ['reduce the noise', 'cannot_do'],
  // Ordinals are no semitones.
  ['2 st up', [pitch(200)]],
  ['+3st', [pitch(300)]],
  ['add a 1st violin', [model('add', 'add a 1st violin')]],
  ['make it sound like 21st century pop', [model('style', 'make it sound like 21st century pop')]],
  ['1st', 'cannot_do'],
  // A style and a tempo.
  ['make a fast punk version', [model('style', 'make a fast punk version')]],
  ['slow jazz', [model('style', 'slow jazz')]],
  ['20 % faster jazz version', [model('style', 'jazz version'), tempo(1.2)]],
  ['turn it into jazz at 90 bpm', [model('style', 'turn it into jazz at 90 bpm')]],
  ['make this jazz song slower', [tempo(0.85)]],
  ['louder for the dance floor', [gain(4)]],
  ['turn it into jazz with reverb', [model('style', 'turn it into jazz'), REVERB]],
  ['turn it into drum and bass', [model('style', 'turn it into drum and bass')]],
  ['add a violin an octave higher', [model('add', 'add a violin an octave higher')]],
  ['add a bass and drums', [model('add', 'add a bass'), model('add', 'add drums')]],
  // Loudness.
  ['volume 50 %', [gain(HALF)]],
  ['at half volume', [gain(HALF)]],
  ['turn it down to 50 %', [gain(HALF)]],
  ['turn it down by 50 %', [gain(HALF)]],
  ['volume +100 %', [gain(-HALF)]],
  ['50 % louder', [gain(20 * Math.log10(1.5))]],
  ['twice as loud', [gain(10)]],
  ['half as loud', [gain(-10)]],
  ['raise the volume by a third', [gain(20 * Math.log10(4 / 3))]],
  ['louder bass', [{ kind: 'bass', decibels: 6 }]],
  ['compress by 3 dB', 'cannot_do'],
  ['boost 100 Hz by 3 dB', 'cannot_do'],
  // One instrument alone.
  ['make the drums louder', 'cannot_do'],
  ['pitch the vocals up', 'cannot_do'],
  ['remove everything but the drums', [{ kind: 'part', part: 'percussive' }]],
  ['remove everything but the vocals', 'cannot_do'],
  // Two wishes in one breath.
  ['20 % slower but louder', [tempo(0.8), gain(4)]],
  ['20 % slower with reverb', [tempo(0.8), REVERB]],
  ['loop it at half speed', [{ kind: 'loop', times: 2 }, tempo(0.5)]],
  ['slower without drums', [tempo(0.85), { kind: 'part', part: 'harmonic' }]],
  ['faster with drums', [tempo(1.15), model('add', 'add drums')]],
  ['10 % faster, same pitch', [tempo(1.1)]],
  ['slow reverb', 'cannot_do'],
  ['faster louder', 'cannot_do'],
];

describe('parseInstruction', () => {
  it.each(meanings)('means: %s', (instruction, expected) => {
    if (expected === 'cannot_do') {
      expect(() => parseInstruction(instruction)).toThrowError(
        expect.objectContaining({ code: 'cannot_do' }),
      );
    } else {
      expect(rounded(parseInstruction(instruction))).toEqual(rounded(expected));
    }
  });

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
