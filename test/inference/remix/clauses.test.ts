import { describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { parseInstruction } from '#inference/remix/parse';
import { describeStep, type EditStep } from '#inference/remix/plan';

/** Wishes that are one each. */
const WISHES = [
  ...[
    '20 % slower',
    'twice as fast',
    'to 90 bpm',
    'raise the tempo by 20 bpm',
    'a whole tone up',
    '30 cents down',
  ],
  ...[
    'keep the first 10 seconds',
    'remove the last 3 s',
    'cut out from 0:10 to 0:20',
    'fade out over 5 seconds',
  ],
  ...[
    'play it backwards',
    'loop it 3 times',
    '3 dB louder',
    'volume 50 %',
    'normalise to -16 LUFS',
    'more bass',
  ],
  ...['cut the treble by 3 dB', 'add a little reverb', 'nightcore', 'remove the vocals', 'only the drums'],
  ...['make the first 10 seconds louder', 'reverse the last 5 seconds', 'turn it into jazz', 'add drums'],
  ...['make it happier', 'replace the piano with a violin'],
];

/** A pattern that tries everything would take hours for these; this only ends the wait. */
const HANGS = { timeout: 60_000 };

const read = (instruction: string): EditStep[] | undefined => {
  try {
    return parseInstruction(instruction);
  } catch (error) {
    if (error instanceof MumuError) return undefined;
    throw error;
  }
};

/** What a plan does, in words that do not depend on the order; new music says what it was told. */
const contentOf = (steps: readonly EditStep[]): string[] => flat(steps).map(describeStep);

/** The steps of a plan, those on a part of the song too. */
const flat = (steps: readonly EditStep[]): readonly EditStep[] =>
  steps.flatMap((step): readonly EditStep[] => (step.kind === 'section' ? step.steps : [step]));
const kindsOf = (instruction: string): string[] => flat(read(instruction) ?? []).map(({ kind }) => kind);
/** "louder 3 dB louder" says one thing in two ways. */
const isOneWish = (one: string, other: string): boolean => {
  const kinds = kindsOf(one);
  return kindsOf(other).some((kind) => kinds.includes(kind));
};

const pairs = WISHES.flatMap((one) => WISHES.map((other) => [one, other] as const));

describe('an instruction never loses a clause that it understood', () => {
  it.each([', ', ' and ', ', then ', '. ', '; ', ' but ', ', and then ', '\n'])('joined by %j', (joint) => {
    for (const [one, other] of pairs) {
      const both = `${one}${joint}${other}`;
      expect([both, read(both)]).toEqual([both, [...(read(one) ?? []), ...(read(other) ?? [])]]);
    }
  });

  it.each([' ', ' with ', ' at ', ' plus ', ' in ', ' while '])(
    'run together by %j: all of it or nothing',
    (joint) => {
      const lost: string[] = [];
      for (const [one, other] of pairs) {
        const both = `${one}${joint}${other}`;
        // "... bass volume 50 %" is the bass's.
        if (isOneWish(one, other) || both.includes('bass volume')) continue;
        const steps = read(both);
        if (steps === undefined) continue;
        const told = steps.flatMap((step) => (step.kind === 'model' ? [step.instruction] : [])).join();
        const content = contentOf(steps);
        for (const part of [one, other]) {
          const isTold = told.includes(part.toLowerCase());
          const isDone = contentOf(read(part) ?? []).every((step) => content.includes(step));
          if (!isTold && !isDone) lost.push(`${both} -> ${content.join(' | ')}`);
        }
      }
      expect(lost).toEqual([]);
    },
  );

  it.each([
    ['louder with '.repeat(300)],
    ['with drums at half speed '.repeat(150)],
    ['from 0:10 to '.repeat(300)],
    [' '.repeat(3900)],
    ['a half a third '.repeat(260)],
    ['1'.repeat(3900)],
    ['keep the pitch and the '.repeat(170)],
  ])('is read to its end, however long (%#)', HANGS, (text) => {
    const steps = read(`slower ${text} reverb`);
    expect(steps === undefined || steps.length > 0).toBe(true);
  });

  it('that is a number without end is refused', () => {
    expect(() => parseInstruction(`pitch up ${'1'.repeat(3900)} cents`)).toThrow(
      '"11111111111111111111..." is no number I can do anything with.',
    );
  });
});
