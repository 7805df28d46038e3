import { describe, expect, it } from 'vitest';
import type { Sound } from '#inference/media/audio';
import { measureLoudness } from '#inference/media/loudness';
import { applyExact } from '#inference/remix/apply';
import { join, loopTo } from '#inference/remix/dsp/basic';
import { estimateTempo } from '#inference/remix/dsp/tempo';
import { parseInstruction } from '#inference/remix/parse';
import type { ExactStep } from '#inference/remix/plan';

const RATE = 44_100;

function tone(frequency: number, seconds: number, level = 0.4): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * RATE) }, (_, i) => {
    const phase = (2 * Math.PI * frequency * i) / RATE;
    return level * Math.sin(phase);
  });
}

/** Clicks of decaying noise at exact beats. */
function clicks(bpm: number, seconds: number): Float32Array {
  const result = new Float32Array(Math.round(seconds * RATE));
  let state = 1;
  for (let beat = 0; (beat * 60) / bpm < seconds; beat++) {
    const start = Math.round(((beat * 60) / bpm) * RATE);
    for (let i = 0; i < 1500 && start + i < result.length; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      result[start + i] = 0.7 * (state / 2 ** 31 - 1) * Math.exp(-i / 250);
    }
  }
  return result;
}

const stereo = (left: Float32Array, right = left): Sound => ({ samples: [left, right], sampleRate: RATE });
const edit = (sound: Sound, instruction: string) =>
  applyExact(sound, parseInstruction(instruction) as ExactStep[]);
const length = (sound: Sound) => sound.samples[0]?.length ?? 0;
const channel = (sound: Sound, index = 0) => sound.samples[index] as Float32Array;

/** Frequency of a steady tone, by counting zero crossings between the first and the last one (interpolated). */
function frequencyOf(samples: Float32Array): number {
  const from = Math.floor(samples.length * 0.15);
  const to = Math.floor(samples.length * 0.85);
  let first = 0;
  let last = 0;
  let count = -1;
  for (let i = from; i < to; i++) {
    const a = samples[i] as number;
    const b = samples[i + 1] as number;
    if (a < 0 && b >= 0) {
      last = i + a / (a - b);
      if (count < 0) first = last;
      count++;
    }
  }
  return (count * RATE) / (last - first);
}

function levelAt(samples: Float32Array, frequency: number): number {
  let re = 0;
  let im = 0;
  for (let i = 0; i < samples.length; i++) {
    const phase = (2 * Math.PI * frequency * i) / RATE;
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length);
    re += (samples[i] as number) * Math.cos(phase) * window;
    im += (samples[i] as number) * Math.sin(phase) * window;
  }
  return (4 * Math.hypot(re, im)) / samples.length;
}
const rms = (samples: Float32Array) =>
  Math.sqrt(samples.reduce((sum, value) => sum + value ** 2, 0) / samples.length);
/** How far two sounds are apart where they are furthest; endless where one is longer. */
const furthest = (one: Float32Array, other: Float32Array) =>
  one.length === other.length
    ? one.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] as number))), 0)
    : Infinity;
const decibels = (after: number, before: number) => 20 * Math.log10(after / before);
const cents = (after: number, before: number) => 1200 * Math.log2(after / before);

describe('exact edits', () => {
  it.each([
    ['20 % slower', 0.8],
    ['30 % faster', 1.3],
    ['duration x 0.7', 1 / 0.7],
    ['twice as fast', 2],
    ['at half speed', 0.5],
  ])('%s: tempo within 1 %%, pitch within 5 cents, length as computed', async (instruction, ratio) => {
    const beats = await edit(stereo(clicks(120, 12)), instruction);
    expect(length(beats)).toBe(Math.round((12 * RATE) / ratio));
    // The prior of the estimator may prefer half or double: compare after folding to the expected octave.
    const measured = (await estimateTempo(channel(beats), RATE)) ?? 0;
    const octave = 2 ** Math.round(Math.log2((120 * ratio) / measured));
    expect(Math.abs((measured * octave) / (120 * ratio) - 1)).toBeLessThan(0.01);
    const pitched = await edit(stereo(tone(440, 6)), instruction);
    expect(Math.abs(cents(frequencyOf(channel(pitched)), 440))).toBeLessThan(5);
  });

  it.each([
    ['a whole tone up', 200],
    ['30 cents down', -30],
    ['down an octave', -1200],
    ['up 7 semitones', 700],
  ])('%s: pitch within 5 cents, length unchanged', async (instruction, expected) => {
    const result = await edit(stereo(tone(440, 6)), instruction);
    expect(length(result)).toBe(6 * RATE);
    expect(Math.abs(cents(frequencyOf(channel(result)), 440) - expected)).toBeLessThan(5);
    const beats = await edit(stereo(clicks(120, 12)), instruction);
    expect(Math.abs(((await estimateTempo(channel(beats), RATE)) ?? 0) / 120 - 1)).toBeLessThan(0.01);
  });

  it('to 90 bpm measures the tempo and lands on 90', async () => {
    const notes: string[] = [];
    const steps = parseInstruction('to 90 bpm') as ExactStep[];
    const result = await applyExact(stereo(clicks(128, 16)), steps, { onNote: (note) => notes.push(note) });
    expect(notes[0]).toMatch(/12[78]\.\d bpm/);
    expect(Math.abs((await estimateTempo(channel(result), RATE)) ?? 0) / 90).toBeCloseTo(1, 2);
    expect(length(result) / RATE).toBeCloseTo((16 * 128) / 90, 1);
  });

  it('keeps the order: trimming before and after a stretch differ', async () => {
    const sound = stereo(tone(440, 20));
    const before = await edit(sound, 'keep the first 10 seconds, then 20 % slower');
    const after = await edit(sound, '20 % slower, then keep the first 10 seconds');
    expect(length(before)).toBe(12.5 * RATE);
    expect(length(after)).toBe(10 * RATE);
  });

  it('does to a part what is said of it, and leaves the rest as it was', async () => {
    const ramp = Float32Array.from({ length: 4 * RATE }, (_, i) => i / (8 * RATE) - 0.25);
    const sound = stereo(ramp);
    const seam = Math.round(0.005 * RATE);
    // A number is compared, not the samples: a list of so many is too long to be printed.
    const expectSame = (one: Float32Array, from: number, to: number) =>
      expect(furthest(one.subarray(from, to), ramp.subarray(from, to))).toBe(0);
    const louder = channel(await edit(sound, 'make the last second 6 dB louder'));
    expect(louder.length).toBe(4 * RATE);
    expectSame(louder, 0, 3 * RATE - seam);
    expect((louder[3.5 * RATE] as number) / (ramp[3.5 * RATE] as number)).toBeCloseTo(10 ** 0.3, 4);
    const reversed = channel(await edit(sound, 'reverse from 0:01 to 0:02'));
    expectSame(reversed, 0, RATE - seam);
    expectSame(reversed, 2 * RATE + seam, 4 * RATE);
    expect(reversed[1.25 * RATE]).toBeCloseTo(ramp[1.75 * RATE] as number, 4);
    const slower = await edit(sound, 'slow down the first 2 seconds by 50 %');
    expect(length(slower)).toBe(6 * RATE);
    expect(furthest(channel(slower).subarray(4 * RATE + seam), ramp.subarray(2 * RATE + seam))).toBe(0);
    expect(length(await edit(sound, 'repeat the last second'))).toBe(5 * RATE);
    expect(length(await edit(sound, 'loop the first second 3 times'))).toBe(3 * RATE);
    await expect(edit(sound, 'reverse the part from 0:10 to 0:20')).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  it('lets a room go on over what follows a part', async () => {
    const samples = new Float32Array(4 * RATE);
    samples.set(tone(440, 1), RATE);
    const result = channel(await edit(stereo(samples), 'add reverb from 0:01 to 0:02'));
    expect(result.length).toBe(4 * RATE);
    expect(furthest(result.subarray(0, RATE - 300), new Float32Array(RATE - 300))).toBe(0);
    expect(rms(result.subarray(2 * RATE, 2.2 * RATE))).toBeGreaterThan(0.01);
    expect(rms(result.subarray(3.9 * RATE))).toBeLessThan(0.001);
  });

  it('trims, cuts, loops and reverses to the sample', async () => {
    const ramp = Float32Array.from({ length: 4 * RATE }, (_, i) => i / (4 * RATE) - 0.5);
    const sound = stereo(ramp);
    expect(channel(await edit(sound, 'from 0:01 to 0:03'))[0]).toBeCloseTo(-0.25, 5);
    expect(length(await edit(sound, 'remove the last 1.5 seconds'))).toBe(2.5 * RATE);
    expect(length(await edit(sound, 'cut out from 0:01 to 0:02'))).toBe(3 * RATE);
    expect(length(await edit(sound, 'loop it 3 times'))).toBe(12 * RATE);
    expect(length(await edit(sound, 'repeat it until 0:10'))).toBe(10 * RATE);
    const backwards = await edit(sound, 'reverse it');
    expect(channel(backwards)[0]).toBe(ramp[ramp.length - 1]);
  });

  it('fades, sets levels and loudness', async () => {
    const sound = stereo(tone(440, 8, 0.2));
    const faded = channel(await edit(sound, 'fade in 2 seconds and out over 3 seconds'));
    const peak = (from: number, to: number) =>
      faded.slice(from * RATE, to * RATE).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(peak(0, 0.1)).toBeLessThan(0.002);
    expect(peak(3, 4)).toBeCloseTo(0.2, 2);
    expect(peak(7.9, 8)).toBeLessThan(0.002);
    const louder = await edit(sound, '6 dB louder');
    expect(decibels(levelAt(channel(louder), 440), 0.2)).toBeCloseTo(6, 1);
    const loud = await edit(sound, 'normalise to -16 LUFS');
    expect((await measureLoudness(loud)).integrated).toBeCloseTo(-16, 0);
  });

  it('never clips: a limiter holds what was made too loud', async () => {
    const result = await edit(stereo(tone(220, 3, 0.8)), '12 dB louder');
    const peak = channel(result).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(peak).toBeLessThanOrEqual(0.985);
    expect(peak).toBeGreaterThan(0.9);
  });

  it('changes bass and treble where they are and nothing between', async () => {
    const mixed = tone(60, 3, 0.1).map((value, i) => value + 0.1 * Math.sin((2 * Math.PI * 8000 * i) / RATE));
    const both = mixed.map((value, i) => value + 0.1 * Math.sin((2 * Math.PI * 700 * i) / RATE));
    const bass = channel(await edit(stereo(both), 'boost the bass by 6 dB'));
    expect(decibels(levelAt(bass, 60), 0.1)).toBeGreaterThan(4.5);
    expect(Math.abs(decibels(levelAt(bass, 8000), 0.1))).toBeLessThan(0.5);
    const treble = channel(await edit(stereo(both), 'cut the treble by 6 dB'));
    expect(decibels(levelAt(treble, 8000), 0.1)).toBeLessThan(-4.5);
    expect(Math.abs(decibels(levelAt(treble, 60), 0.1))).toBeLessThan(0.5);
  });

  it('takes the middle away and leaves the sides', async () => {
    const voice = tone(1000, 4, 0.3);
    const guitar = tone(660, 4, 0.3);
    const bass = tone(70, 4, 0.2);
    const left = voice.map((value, i) => value + (guitar[i] as number) + (bass[i] as number));
    const right = voice.map((value, i) => value + (bass[i] as number));
    const result = await edit(stereo(left, right), 'remove the vocals');
    const middle = channel(result).slice(RATE, 3 * RATE);
    expect(decibels(levelAt(middle, 1000), 0.3)).toBeLessThan(-20);
    expect(Math.abs(decibels(levelAt(middle, 660), 0.3))).toBeLessThan(1);
    expect(Math.abs(decibels(levelAt(middle, 70), 0.2))).toBeLessThan(1);
    await expect(edit(stereo(voice), 'remove the vocals')).rejects.toThrow(/mono/);
  });

  it('parts drums from tones, and the parts add up to the whole', async () => {
    const drums = clicks(120, 4);
    const chord = tone(440, 4, 0.2);
    const mix = chord.map((value, i) => value + (drums[i] as number) * 0.5);
    const harmonic = channel(await applyExact(stereo(mix), [{ kind: 'part', part: 'harmonic' }]));
    const percussive = channel(await applyExact(stereo(mix), [{ kind: 'part', part: 'percussive' }]));
    expect(decibels(levelAt(harmonic, 440), 0.2)).toBeGreaterThan(-1);
    expect(decibels(levelAt(percussive, 440), 0.2)).toBeLessThan(-12);
    let error = 0;
    for (let i = RATE; i < 3 * RATE; i++) {
      error = Math.max(
        error,
        Math.abs((harmonic[i] as number) + (percussive[i] as number) - (mix[i] as number)),
      );
    }
    expect(error).toBeLessThan(1e-4);
  });

  it('reverb rings on after the sound and decays by 60 dB in its time', async () => {
    const burst = new Float32Array(RATE);
    burst.set(clicks(60, 0.2).slice(0, 2000));
    const result = channel(await applyExact(stereo(burst), [{ kind: 'reverb', mix: 0.5, seconds: 2 }]));
    expect(result.length).toBe(3 * RATE);
    const level = (from: number) =>
      Math.sqrt(result.slice(from * RATE, (from + 0.1) * RATE).reduce((sum, v) => sum + v * v, 0));
    expect(decibels(level(1.3), level(0.3))).toBeGreaterThan(-42);
    expect(decibels(level(1.3), level(0.3))).toBeLessThan(-26);
  });

  it('slowed + reverb lowers pitch and speed together', async () => {
    const result = await edit(stereo(tone(440, 6)), 'slowed + reverb');
    expect(Math.abs(cents(frequencyOf(channel(result).slice(0, 6 * RATE)), 440 * 0.85))).toBeLessThan(5);
    expect(length(result)).toBe(Math.round((6 * RATE) / 0.85) + Math.round(2.8 * RATE));
  });

  it('says what does not fit', async () => {
    const sound = stereo(tone(440, 5));
    await expect(edit(sound, 'start at 20 seconds')).rejects.toThrow(/lasts 5 seconds/);
    await expect(edit(sound, 'loop it 100 times')).resolves.toBeDefined();
    await expect(edit(stereo(tone(440, 60)), 'loop it 50 times')).rejects.toThrow(/at most 10 minutes/);
    await expect(edit(stereo(new Float32Array(5 * RATE)), 'to 90 bpm')).rejects.toThrow(/No steady beat/);
  });

  it('leaves something to hear, or says so', async () => {
    const sound = stereo(tone(440, 5));
    for (const wish of [
      'keep the first 0.01 ms, then loop it until 1:00',
      'keep the first 1 ms and loop it until it lasts 10 minutes',
      'keep the first 0.01 ms',
      'loop it until 0:00',
    ])
      await expect(edit(sound, wish), wish).rejects.toThrow(/less than 0.05 s of sound|is not in it/);
    // A sound that was as short as that before may stay so.
    expect(length(await edit(stereo(tone(440, 0.02)), 'reverse it'))).toBe(Math.round(0.02 * RATE));
  });

  it('repeats with seams that join as those of any two pieces do', () => {
    const [one] = stereo(tone(440, 0.3)).samples as [Float32Array];
    for (const size of [5000, one.length, 2 * one.length, 30_000, 50_000]) {
      const pieces = Array.from({ length: Math.ceil(size / one.length) }, (_, i) => [
        one.slice(0, Math.min(one.length, size - i * one.length)),
      ]);
      expect(loopTo([one], size, RATE)).toEqual(join(pieces, RATE));
    }
    expect(loopTo([new Float32Array()], 1000, RATE)).toEqual([new Float32Array()]);
  });

  it('sets the loudness of a moment, and says where there is none', async () => {
    const moment = await edit(stereo(tone(1000, 0.3, 0.05)), 'normalise to -20 LUFS');
    const { integrated } = await measureLoudness(
      { samples: loopTo(moment.samples, RATE, RATE), sampleRate: RATE },
      undefined,
    );
    expect(Math.abs(integrated + 20)).toBeLessThan(0.5);
    const notes: string[] = [];
    const silence = stereo(new Float32Array(RATE));
    await applyExact(silence, [{ kind: 'loudness', lufs: -14 }], { onNote: (note) => notes.push(note) });
    expect(notes).toEqual(['It is silent there, so its loudness stays as it is.']);
  });

  it('stops when it is cancelled', async () => {
    const controller = new AbortController();
    const steps: ExactStep[] = [{ kind: 'part', part: 'harmonic' }];
    const job = applyExact(stereo(clicks(120, 60)), steps, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(job).rejects.toThrow(/abort/i);
  });
});
