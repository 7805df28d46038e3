/** Carries out the exact steps of an edit plan on sound in memory. */
import { MumuError } from '#contracts/errors';
import { filterAudio, type Sound } from '#inference/media/audio';
import { MEDIA_LIMITS, sayDuration } from '#inference/media/limits';
import { amplify, fitLength, measureLoudness } from '#inference/media/loudness';
import { fade, join, limit, loopTo, reverse, slice } from '#inference/remix/dsp/basic';
import { addReverb } from '#inference/remix/dsp/reverb';
import { harmonicPercussive, removeCentre } from '#inference/remix/dsp/separate';
import { estimateTempo } from '#inference/remix/dsp/tempo';
import { describeStep, type ExactStep } from '#inference/remix/plan';

/** Less sound than this is nothing to hear, and nothing to repeat, seconds. */
const SHORTEST = 0.05;
/** Loudness by EBU R128 is measured over this long at least, seconds. */
const LOUDNESS_BLOCK = 0.4;

export interface ApplyOptions {
  signal?: AbortSignal | undefined;
  /** Part of all steps done, 0 to 1. */
  onProgress?: (fraction: number) => void;
  /** Things the user should know, such as the tempo that was measured. */
  onNote?: (note: string) => void;
}

const lengthOf = (sound: Sound): number => sound.samples[0]?.length ?? 0;
const secondsOf = (sound: Sound): number => lengthOf(sound) / sound.sampleRate;
const withSamples = (sound: Sound, samples: Float32Array[]): Sound => ({
  samples,
  sampleRate: sound.sampleRate,
});

/**
 * Applies the steps in order and holds the peaks of the result under full scale.
 * A tempo and a pitch step in a row are one pass of the stretcher, which sounds better than two.
 * @throws {MumuError} invalid_input when a step does not fit the sound (a cut past its end) or leaves next to nothing
 *   of it, too_large when the
 *   result would last longer than ten minutes, cannot_do (no beat to take the tempo from, vocals in mono),
 *   missing_dependency, cancelled
 */
export async function applyExact(
  sound: Sound,
  steps: readonly ExactStep[],
  options: ApplyOptions = {},
): Promise<Sound> {
  const done = await applySteps(sound, steps, options);
  if (secondsOf(done) < Math.min(SHORTEST, secondsOf(sound))) throw tooShort();
  options.onProgress?.(1);
  return withSamples(done, limit(done.samples, done.sampleRate));
}

async function applySteps(sound: Sound, steps: readonly ExactStep[], options: ApplyOptions): Promise<Sound> {
  let current = sound;
  for (let index = 0; index < steps.length; index++) {
    const report = (fraction: number) => options.onProgress?.((index + fraction) / steps.length);
    report(0);
    const step = await resolveTempo(steps[index] as ExactStep, current, options);
    const next = steps[index + 1];
    if (step.kind === 'section') {
      current = await applyToSection(current, step, { ...options, onProgress: report });
    } else if (step.kind === 'tempo' && next?.kind === 'pitch') {
      current = await stretch(current, step.ratio, next.cents, options.signal);
      index++;
    } else if (step.kind === 'pitch' && next?.kind === 'tempo') {
      current = await stretch(current, next.ratio, step.cents, options.signal);
      index++;
    } else {
      current = await applyOne(current, step, report, options);
    }
    if (secondsOf(current) > MEDIA_LIMITS.audioSeconds + 11) {
      throw new MumuError(
        'too_large',
        `The result would last ${sayDuration(secondsOf(current))}; at most ${sayDuration(MEDIA_LIMITS.audioSeconds)} can be made.`,
      );
    }
  }
  return current;
}

/** Steps on a part of the sound; what follows moves where the part becomes longer or shorter. */
async function applyToSection(
  sound: Sound,
  step: Extract<ExactStep, { kind: 'section' }>,
  options: ApplyOptions,
): Promise<Sound> {
  const { samples, sampleRate } = sound;
  const [from, to] = range(sound, step.start, step.end);
  const made = await applySteps(withSamples(sound, slice(samples, from, to)), step.steps, options);
  // A room's decay is heard over what follows, it does not push that away.
  const last = step.steps.at(-1);
  const tail = last?.kind === 'reverb' ? Math.round(last.seconds * sampleRate) : 0;
  const end = from + lengthOf(made) - tail;
  const pieces = [
    slice(samples, 0, from),
    slice(made.samples, 0, lengthOf(made) - tail),
    slice(samples, to, lengthOf(sound)),
  ].filter((piece) => (piece[0]?.length ?? 0) > 0);
  const joined = join(pieces, sampleRate);
  if (tail === 0) return withSamples(sound, joined);
  const length = Math.max(joined[0]?.length ?? 0, end + tail);
  const mixed = joined.map((one, channel) => {
    const result = fitLength(one, length).slice();
    const decay = made.samples[channel]?.subarray(lengthOf(made) - tail) ?? new Float32Array();
    for (const [i, value] of decay.entries()) result[end + i] = (result[end + i] as number) + value;
    return result;
  });
  return withSamples(sound, mixed);
}

/** Turns tempo targets into a ratio, measuring the song's own tempo where it is needed. */
async function resolveTempo(step: ExactStep, sound: Sound, options: ApplyOptions): Promise<ExactStep> {
  if (step.kind === 'stretch-to') return checkedTempo(secondsOf(sound) / step.seconds, step);
  if (step.kind !== 'tempo-to' && step.kind !== 'tempo-by') return step;
  const mono = mixDown(sound.samples);
  const bpm = await estimateTempo(mono, sound.sampleRate, options.signal);
  if (bpm === undefined) {
    throw new MumuError(
      'cannot_do',
      'No steady beat was found in this sound, so its tempo in bpm is unknown; say "20 % slower" instead.',
    );
  }
  options.onNote?.(`Measured tempo before the change: ${bpm.toFixed(1)} bpm.`);
  const target = step.kind === 'tempo-to' ? step.bpm : bpm + step.bpm;
  return checkedTempo(target / bpm, step);
}

function checkedTempo(ratio: number, step: ExactStep): ExactStep {
  if (!(ratio >= 0.25 && ratio <= 4)) {
    throw new MumuError(
      'invalid_input',
      `${describeStep(step)}: that is ${ratio.toFixed(2)} times the speed; it can be from 0.25 to 4 times.`,
    );
  }
  return { kind: 'tempo', ratio };
}

function mixDown(samples: readonly Float32Array[]): Float32Array {
  const first = samples[0] ?? new Float32Array();
  if (samples.length === 1) return first;
  return first.map((_, i) => samples.reduce((sum, one) => sum + (one[i] as number), 0) / samples.length);
}

async function applyOne(
  sound: Sound,
  step: ExactStep,
  report: (fraction: number) => void,
  { signal, onNote }: ApplyOptions,
): Promise<Sound> {
  const { samples, sampleRate } = sound;
  switch (step.kind) {
    case 'tempo':
      return stretch(sound, step.ratio, 0, signal);
    case 'pitch':
      return stretch(sound, 1, step.cents, signal);
    case 'varispeed':
      return varispeed(sound, step.ratio, signal);
    case 'trim': {
      const [from, to] = range(sound, step.start, step.end);
      return withSamples(sound, slice(samples, from, to));
    }
    case 'cut': {
      const [from, to] = range(sound, step.start, step.end);
      const rest = [slice(samples, 0, from), slice(samples, to, lengthOf(sound))];
      if (from === 0 && to === lengthOf(sound)) {
        throw new MumuError('invalid_input', 'Taking that out would leave nothing.');
      }
      return withSamples(sound, join(rest, sampleRate));
    }
    case 'fade': {
      const seconds = step.seconds ?? Math.min(4, secondsOf(sound) / 4);
      return withSamples(sound, fade(samples, step.direction, Math.round(seconds * sampleRate)));
    }
    case 'reverse':
      return withSamples(sound, reverse(samples));
    case 'loop':
      if (secondsOf(sound) < SHORTEST) throw tooShort();
      refuseLong(secondsOf(sound) * step.times);
      return withSamples(sound, loopTo(samples, lengthOf(sound) * step.times, sampleRate));
    case 'loop-to':
      if (secondsOf(sound) < SHORTEST || step.seconds < SHORTEST) throw tooShort();
      refuseLong(step.seconds);
      return withSamples(sound, loopTo(samples, Math.round(step.seconds * sampleRate), sampleRate));
    case 'gain':
      return amplify(sound, step.decibels);
    case 'loudness': {
      const least = Math.ceil(2 * LOUDNESS_BLOCK * sampleRate);
      const heard = lengthOf(sound) < least ? withSamples(sound, loopTo(samples, least, sampleRate)) : sound;
      const { integrated } = await measureLoudness(heard, signal);
      if (!Number.isFinite(integrated)) {
        onNote?.('It is silent there, so its loudness stays as it is.');
        return sound;
      }
      return amplify(sound, step.lufs - integrated);
    }
    case 'bass':
      return keepLength(sound, await filterAudio(sound, [`bass=g=${step.decibels}:f=110:w=0.6`], signal));
    case 'treble':
      return keepLength(sound, await filterAudio(sound, [`treble=g=${step.decibels}:f=3500:w=0.6`], signal));
    case 'reverb':
      return withSamples(sound, await addReverb(samples, sampleRate, step, report, signal));
    case 'fewer-vocals': {
      const [left, right] = samples;
      if (!left || !right || isMono(left, right)) {
        throw new MumuError(
          'cannot_do',
          'This sound is mono, so vocals cannot be told from the rest by their place in the stereo image.',
        );
      }
      return withSamples(sound, await removeCentre(left, right, sampleRate, report, signal));
    }
    case 'part':
      return withSamples(sound, await harmonicPercussive(samples, step.part, report, signal));
    case 'tempo-to':
    case 'tempo-by':
    case 'stretch-to':
      throw new MumuError('internal', 'A tempo target was not resolved before its step.');
    case 'section':
      throw new MumuError('internal', 'A part of the sound was not taken out before its steps.');
  }
}

/**
 * Time-stretching and pitch-shifting by Rubber Band, with both channels locked in phase. Its phase resets at
 * transients ("crisp", the default) shift steady tones by up to 24 cents (measured: 440 Hz an octave down); without them, and with the short window, pitch is exact and attacks are as sharp as with them.
 */
async function stretch(
  sound: Sound,
  ratio: number,
  cents: number,
  signal: AbortSignal | undefined,
): Promise<Sound> {
  if (ratio === 1 && cents === 0) return sound;
  const wanted = Math.round(lengthOf(sound) / ratio);
  refuseLong(wanted / sound.sampleRate);
  const pitch = 2 ** (cents / 1200);
  const quality = 'channels=together:pitchq=quality:transients=smooth:window=short';
  const filter = `rubberband=tempo=${ratio.toFixed(8)}:pitch=${pitch.toFixed(8)}:${quality}`;
  return fitTo(await filterAudio(sound, [filter], signal), wanted);
}

/** Speed and pitch together: the samples are declared to be of another rate, then resampled back. */
async function varispeed(sound: Sound, ratio: number, signal: AbortSignal | undefined): Promise<Sound> {
  const wanted = Math.round(lengthOf(sound) / ratio);
  refuseLong(wanted / sound.sampleRate);
  const rate = Math.round(sound.sampleRate * ratio);
  const filters = [`asetrate=${rate}`, `aresample=${sound.sampleRate}:filter_size=64:cutoff=0.97`];
  return fitTo(await filterAudio(sound, filters, signal), wanted);
}

const keepLength = (before: Sound, after: Sound): Sound => fitTo(after, lengthOf(before));

/** Cuts or pads with silence to a number of samples: filters may end a few samples early or late. */
function fitTo(sound: Sound, length: number): Sound {
  return withSamples(
    sound,
    sound.samples.map((one) => fitLength(one, length)),
  );
}

/** Sample positions of a stretch of time; negative times count from the end. */
function range(sound: Sound, start: number, end: number | undefined): [from: number, to: number] {
  const total = secondsOf(sound);
  const place = (seconds: number): number => (seconds < 0 ? Math.max(0, total + seconds) : seconds);
  const from = place(start);
  const to = end === undefined ? total : Math.min(total, place(end));
  if (from >= total || to <= from) {
    throw new MumuError(
      'invalid_input',
      `The sound lasts ${sayDuration(total)}: ${start} s to ${end ?? 'the end'}${end === undefined ? '' : ' s'} is not in it.`,
    );
  }
  return [Math.round(from * sound.sampleRate), Math.round(to * sound.sampleRate)];
}

function refuseLong(seconds: number): void {
  if (seconds <= MEDIA_LIMITS.audioSeconds + 1) return;
  throw new MumuError(
    'too_large',
    `The result would last ${sayDuration(seconds)}; at most ${sayDuration(MEDIA_LIMITS.audioSeconds)} can be made.`,
  );
}

function tooShort(): MumuError {
  return new MumuError(
    'invalid_input',
    `That leaves less than ${SHORTEST} s of sound, which is nothing to hear: name a longer stretch.`,
  );
}

function isMono(left: Float32Array, right: Float32Array): boolean {
  let difference = 0;
  let power = 0;
  for (let i = 0; i < left.length; i++) {
    difference += ((left[i] as number) - (right[i] as number)) ** 2;
    power += (left[i] as number) ** 2;
  }
  return difference <= power * 1e-6;
}
