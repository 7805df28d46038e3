/**
 * The edit plan: what an instruction in plain language means, step by step, in the order in which it was said.
 * `exact` steps are computed on the user's own audio; `model` steps ask the music decoder for new material.
 */
import type { PlanStep } from '#contracts/result';
import type { ModelChange } from '#models/checkpoint/metadata';

export type ExactStep =
  /** Speed without pitch: `ratio` 0.8 is 20 % slower. */
  | { kind: 'tempo'; ratio: number }
  /** Speed without pitch, to a tempo in beats a minute; the ratio needs the song's own tempo. */
  | { kind: 'tempo-to'; bpm: number }
  /** Speed without pitch, by a number of beats a minute. */
  | { kind: 'tempo-by'; bpm: number }
  /** Speed without pitch, so that the whole lasts `seconds`. */
  | { kind: 'stretch-to'; seconds: number }
  /** Pitch without speed, in cents (100 to a semitone). */
  | { kind: 'pitch'; cents: number }
  /** Speed and pitch together, as a tape or turntable does. */
  | { kind: 'varispeed'; ratio: number }
  /** Keeps [start, end) in seconds; a negative number counts from the end, undefined means the end. */
  | { kind: 'trim'; start: number; end: number | undefined }
  /** Removes [start, end) in seconds from the middle. */
  | { kind: 'cut'; start: number; end: number }
  | { kind: 'fade'; direction: 'in' | 'out'; seconds: number | undefined }
  | { kind: 'reverse' }
  /** Plays it `times` times in all. */
  | { kind: 'loop'; times: number }
  /** Repeats it until it lasts `seconds`. */
  | { kind: 'loop-to'; seconds: number }
  | { kind: 'gain'; decibels: number }
  /** Integrated loudness (EBU R128) in LUFS. */
  | { kind: 'loudness'; lufs: number }
  | { kind: 'bass'; decibels: number }
  | { kind: 'treble'; decibels: number }
  /** Artificial reverberation: `mix` of the wet sound, 0 to 1, and its decay by 60 dB in seconds. */
  | { kind: 'reverb'; mix: number; seconds: number }
  /** Takes away what is equal in both channels, which is where vocals usually are. */
  | { kind: 'fewer-vocals' }
  /** Harmonic or percussive part only (median filtering of the spectrogram). */
  | { kind: 'part'; part: 'harmonic' | 'percussive' }
  /** Steps on [start, end) in seconds alone, as for `trim`; what is before and after stays as it is. */
  | { kind: 'section'; start: number; end: number | undefined; steps: readonly ExactStep[] };

/** New material: the instruction, as it was said, for the model. */
export interface ModelStep {
  kind: 'model';
  change: ModelChange;
  instruction: string;
}

export type EditStep = ExactStep | ModelStep;

const number = (value: number, digits = 2): string => {
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
};
const signed = (value: number): string => `${value >= 0 ? '+' : '−'}${number(Math.abs(value), 1)}`;
const time = (seconds: number): string =>
  seconds < 0 ? `${number(-seconds, 1)} s before the end` : `${number(seconds, 1)} s`;

function tempoWords(ratio: number): string {
  const percent = Math.abs(Math.round((ratio - 1) * 1000) / 10);
  return `tempo × ${number(ratio, 3)} (${number(percent, 1)} % ${ratio < 1 ? 'slower' : 'faster'}), same pitch`;
}

function pitchWords(cents: number): string {
  const amount =
    cents % 100 === 0
      ? `${Math.abs(cents) / 100} semitone${Math.abs(cents) === 100 ? '' : 's'}`
      : `${number(Math.abs(cents), 1)} cents`;
  return `pitch ${cents < 0 ? 'down' : 'up'} ${amount}, same tempo`;
}

function stretchWords(start: number, end: number | undefined): string {
  return `${time(start)} to ${end === undefined ? 'the end' : time(end)}`;
}

/** A step in words, as shown with the result. */
export function describeStep(step: EditStep): string {
  switch (step.kind) {
    case 'tempo':
      return tempoWords(step.ratio);
    case 'tempo-to':
      return `tempo to ${number(step.bpm, 1)} bpm, same pitch`;
    case 'tempo-by':
      return `tempo ${signed(step.bpm)} bpm, same pitch`;
    case 'stretch-to':
      return `stretched to ${time(step.seconds)}, same pitch`;
    case 'pitch':
      return pitchWords(step.cents);
    case 'varispeed':
      return `speed and pitch together × ${number(step.ratio, 3)}`;
    case 'trim':
      return `keep ${stretchWords(step.start, step.end)}`;
    case 'cut':
      return `take out ${time(step.start)} to ${time(step.end)}`;
    case 'fade':
      return `fade ${step.direction}${step.seconds === undefined ? '' : ` over ${time(step.seconds)}`}`;
    case 'reverse':
      return 'played backwards';
    case 'loop':
      return `played ${step.times} times in a row`;
    case 'loop-to':
      return `repeated until ${time(step.seconds)}`;
    case 'gain':
      return `level ${signed(step.decibels)} dB`;
    case 'loudness':
      return `loudness to ${number(step.lufs, 1)} LUFS`;
    case 'bass':
      return `bass ${signed(step.decibels)} dB`;
    case 'treble':
      return `treble ${signed(step.decibels)} dB`;
    case 'reverb':
      return `reverb, ${number(step.seconds, 1)} s, ${Math.round(step.mix * 100)} % wet`;
    case 'fewer-vocals':
      return 'the middle of the stereo image removed (fewer vocals)';
    case 'part':
      return step.part === 'harmonic' ? 'harmonic part only (no drums)' : 'percussive part only (drums)';
    case 'section':
      return `${stretchWords(step.start, step.end)} only: ${step.steps.map(describeStep).join(', ')}`;
    case 'model':
      return `new music from the model: ${step.instruction}`;
  }
}

/** The plan as the contracts carry it. */
export function toPlan(steps: readonly EditStep[]): PlanStep[] {
  return steps.map((step) => ({
    operation: step.kind === 'model' ? step.change : step.kind,
    description: describeStep(step),
    by: step.kind === 'model' ? 'model' : 'exact',
  }));
}
