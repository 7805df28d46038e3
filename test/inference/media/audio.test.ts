import { execFileSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { decodeAudio, MOST_LEVEL, peakOf, rmsOf, type Sound } from '#inference/media/audio';
import { encodeAudio, muxClip } from '#inference/media/encode';
import { fadeEnds, measureLoudness, normaliseLoudness } from '#inference/media/loudness';
import { peaks } from '#inference/media/peaks';
import { probe } from '#inference/media/probe';
import { clip, fixtureFolder, silence, tone, truncated } from '#test/support/media-fixtures';

// Every case starts ffmpeg; on a machine that is busy otherwise each takes its time.
vi.setConfig({ testTimeout: 240_000 });
const folder = fixtureFolder();
afterAll(folder.remove);

/** Frequency by counting rising zero crossings. */
function frequency(samples: Float32Array, sampleRate: number): number {
  let crossings = 0;
  for (let i = 1; i < samples.length; i++) {
    if ((samples[i - 1] ?? 0) < 0 && (samples[i] ?? 0) >= 0) crossings += 1;
  }
  return (crossings * sampleRate) / samples.length;
}

function sine(seconds: number, sampleRate: number, amplitude: number, hz = 440): Sound {
  const one = Float32Array.from({ length: Math.round(seconds * sampleRate) }, (_, i) => {
    return amplitude * Math.sin((2 * Math.PI * hz * i) / sampleRate);
  });
  return { samples: [one], sampleRate };
}

describe('decoding any sound', () => {
  it.each([
    ['mono.wav', { rate: 44100, args: ['-ac', '1'] }],
    ['eight-channels.wav', { rate: 48000, args: ['-ac', '8'] }],
    ['8k.wav', { rate: 8000 }],
    ['192k.wav', { rate: 192000 }],
    ['song.mp3', {}],
    ['song.flac', {}],
    ['song.ogg', { args: ['-c:a', 'libopus'] }],
    ['song.m4a', { args: ['-c:a', 'aac'] }],
    ['song.wma', {}],
    ['song.aiff', {}],
    ['song.caf', {}],
    ['song.au', {}],
    ['song.aac', {}],
  ])('%s keeps its pitch and length at 24 kHz mono', async (name, options) => {
    const path = tone(folder.path(name), { hz: 440, seconds: 2, ...options });
    const sound = await decodeAudio(path, { sampleRate: 24000, channels: 1 });
    expect(sound.samples).toHaveLength(1);
    expect(sound.seconds).toBeGreaterThan(1.98);
    expect(sound.seconds).toBeLessThan(2.12);
    const steady = sound.samples[0]?.subarray(4800, 4800 + 24000) ?? new Float32Array();
    expect(Math.abs(frequency(steady, 24000) - 440)).toBeLessThan(2);
    expect(rmsOf([steady])).toBeGreaterThan(0.02);
  });

  it.each([
    ['float stereo', 'pan=stereo|c0=c0|c1=c0', 'pcm_f32le'],
    ['float 5.1', 'pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0', 'pcm_f32le'],
    ['16 bit stereo', 'pan=stereo|c0=c0|c1=c0', 'pcm_s16le'],
    ['aac stereo', 'pan=stereo|c0=c0|c1=c0', 'aac'],
  ])('%s comes down to one or two channels as loud as it was', async (_, pan, codec) => {
    const name = codec === 'aac' ? 'down.m4a' : 'down.wav';
    // lavfi's sine has an amplitude of 1/8.
    const path = tone(folder.path(name), { args: ['-af', `volume=4,${pan}`, '-c:a', codec] });
    for (const channels of [1, 2] as const) {
      const { samples } = await decodeAudio(path, { sampleRate: 44100, channels });
      const steady = samples.map((one) => one.subarray(22050, 66150));
      expect(Math.abs(rmsOf(steady) * Math.SQRT2 - 0.5)).toBeLessThan(0.02);
    }
  });

  it.each([44100, 24000])('takes samples that are no sound out of a float file, at %d Hz', async (rate) => {
    const clean = tone(folder.path('clean.wav'), { args: ['-af', 'volume=2', '-c:a', 'pcm_f32le'] });
    // Not a number, infinite either way, an absurd number, an absurd level.
    const bad =
      'n,1e4),0/0,if(eq(n,2e4),1/0,if(eq(n,3e4),-1/0,if(eq(n,4e4),1e30,if(eq(n,5e4),-3e4,val(0))))))';
    const path = tone(folder.path('broken.wav'), {
      args: ['-af', `volume=2,aeval='if(eq(${bad}'`, '-c:a', 'pcm_f32le'],
    });
    const broken = await decodeAudio(path, { sampleRate: rate, channels: 1 });
    const whole = await decodeAudio(clean, { sampleRate: rate, channels: 1 });
    expect(whole.notes).toEqual([]);
    expect(broken.notes.join()).toMatch(/no sound .*silenced or held/);
    const one = broken.samples[0] ?? new Float32Array();
    const other = whole.samples[0] ?? new Float32Array();
    expect(one).toHaveLength(other.length);
    expect(one.every((value) => Math.abs(value) <= MOST_LEVEL)).toBe(true);
    // Around a bad sample the sound is another one, and for no longer than the resampler reaches.
    const differs = one.filter((value, i) => !(Math.abs(value - (other[i] ?? 0)) < 0.01)).length;
    expect(differs).toBeLessThan(rate === 44100 ? 6 : 100);
    expect(rmsOf([one.subarray(0, rate)])).toBeCloseTo(rmsOf([other.subarray(0, rate)]), 2);
    // The one that is only far too loud is held, not silenced.
    expect(peakOf([one])).toBeGreaterThan(MOST_LEVEL / 2);
  });

  it.each([1.5, 6])('keeps the shape of a float file that goes to %d', async (level) => {
    const path = tone(folder.path('over.wav'), { args: ['-af', `volume=${level * 8}`, '-c:a', 'pcm_f32le'] });
    const { samples, notes } = await decodeAudio(path, { sampleRate: 44100, channels: 1 });
    expect(notes).toEqual([]);
    expect(peakOf(samples)).toBeCloseTo(level, 2);
    expect(rmsOf(samples) * Math.SQRT2).toBeCloseTo(level, 2);
  });

  it('hears ambisonic sound from its middle, left and right', async () => {
    // A tone to the left: as loud in the first channel (every side alike) as in the second (left against right).
    const path = tone(folder.path('ambisonic.opus'), {
      args: [
        ...['-af', 'volume=4,pan=4c|c0=c0|c1=c0|c2=0*c0|c3=0*c0'],
        ...['-c:a', 'libopus', '-mapping_family', '2', '-b:a', '256k'],
      ],
    });
    const info = await probe(path);
    const steady = async (channels: 1 | 2) =>
      (await decodeAudio(path, { sampleRate: 24000, channels, info })).samples.map((one) =>
        one.subarray(12000, 36000),
      );
    const [mono = new Float32Array()] = await steady(1);
    expect(Math.abs(frequency(mono, 24000) - 440)).toBeLessThan(2);
    expect(rmsOf([mono]) * Math.SQRT2).toBeCloseTo(0.5, 1);
    const [left = new Float32Array(), right = new Float32Array()] = await steady(2);
    expect(rmsOf([left]) * Math.SQRT2).toBeCloseTo(0.5, 1);
    expect(rmsOf([right])).toBeLessThan(0.05);
  });

  it('averages channels whose layout ffmpeg can name and not mix', async () => {
    const path = tone(folder.path('above.wav'), {
      args: ['-af', 'volume=4,channelmap=map=0|0:channel_layout=TFL+TFR', '-c:a', 'pcm_s16le'],
    });
    for (const channels of [1, 2] as const) {
      const { samples } = await decodeAudio(path, { sampleRate: 24000, channels });
      expect(samples).toHaveLength(channels);
      expect(rmsOf(samples) * Math.SQRT2).toBeCloseTo(0.5, 1);
    }
  });

  it('says nothing of damage where the sound of a clip ends before its picture', async () => {
    for (const name of ['early.mkv', 'early.mp4']) {
      const film = clip(folder.path(name), { seconds: 6, args: ['-af', 'atrim=end=2'] });
      const info = await probe(film);
      expect(Math.abs((info.seconds ?? 0) - 6)).toBeLessThan(0.2);
      expect((await decodeAudio(film, { sampleRate: 16000, channels: 1, info })).notes).toEqual([]);
    }
  });

  it('gives the same samples twice', async () => {
    const path = tone(folder.path('twice.mp3'));
    const one = await decodeAudio(path, { sampleRate: 24000, channels: 2 });
    const two = await decodeAudio(path, { sampleRate: 24000, channels: 2 });
    expect(one.samples).toEqual(two.samples);
  });

  it('takes the sound of a clip, and a clip without picture for a song', async () => {
    const film = clip(folder.path('film.mp4'));
    expect(await probe(film)).toMatchObject({ kind: 'video', hasAudio: true });
    expect((await decodeAudio(film, { sampleRate: 16000, channels: 1 })).seconds).toBeCloseTo(2, 0);
    const noPicture = tone(folder.path('no-picture.webm'), { args: ['-c:a', 'libopus'] });
    const info = await probe(noPicture);
    expect(info.kind).toBe('audio');
    expect(info.notes.join()).toMatch(/no picture/);
  });

  it('cuts a 3-hour song and says so', async () => {
    const path = silence(folder.path('three-hours.flac'), 3 * 3600);
    const sound = await decodeAudio(path, { sampleRate: 8000, channels: 1 });
    expect(sound.seconds).toBe(600);
    expect(sound.cut).toBe(true);
    expect(sound.notes.join()).toMatch(/first 10 minutes of 3 hours/);
    expect(sound.notes.join()).toMatch(/silent/);
  });

  it('uses what is left of a truncated song, with a note', async () => {
    const whole = tone(folder.path('whole.mp3'), { seconds: 10 });
    const path = await truncated(whole, folder.path('part.mp3'), 0.5);
    const sound = await decodeAudio(path, { sampleRate: 24000, channels: 1 });
    expect(sound.seconds).toBeGreaterThan(4);
    expect(sound.seconds).toBeLessThan(6);
    expect(sound.notes.join()).toMatch(/cut short/);
  });

  it('can be cancelled', async () => {
    const path = silence(folder.path('long.wav'), 500);
    const stop = new AbortController();
    const running = decodeAudio(path, { sampleRate: 48000, channels: 2, signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('writing sound', () => {
  it.each(['wav', 'mp3', 'ogg', 'flac'] as const)('%s holds the same sound', async (format) => {
    const path = folder.path(`out.${format}`);
    await encodeAudio(sine(3, 16000, 0.5), format, path);
    const back = await decodeAudio(path, { sampleRate: 16000, channels: 1 });
    expect(Math.abs(back.seconds - 3)).toBeLessThan(0.08);
    const steady = back.samples[0]?.subarray(8000, 24000) ?? new Float32Array();
    expect(Math.abs(frequency(steady, 16000) - 440)).toBeLessThan(2);
    expect(rmsOf([steady])).toBeCloseTo(0.5 / Math.SQRT2, 1);
  });

  it('writes the same bytes twice', async () => {
    for (const name of ['a.mp3', 'b.mp3']) await encodeAudio(sine(1, 16000, 0.5), 'mp3', folder.path(name));
    expect(await readFile(folder.path('a.mp3'))).toEqual(await readFile(folder.path('b.mp3')));
  });

  it.each(['film.mp4', 'film.webm', 'film.avi'])('puts music under the clip %s', async (name) => {
    const film = clip(folder.path(name), { seconds: 3, sound: name !== 'film.avi' });
    const out = folder.path(`scored-${name}.mp4`);
    await muxClip(film, sine(5, 16000, 0.5, 880), out);
    const info = await probe(out);
    expect(info).toMatchObject({ kind: 'video', hasAudio: true, width: 160, height: 120 });
    expect(Math.abs((info.seconds ?? 0) - 3)).toBeLessThan(0.25);
    const heard = (await decodeAudio(out, { sampleRate: 16000, channels: 1 })).samples[0];
    expect(Math.abs(frequency(heard?.subarray(8000, 24000) ?? new Float32Array(), 16000) - 880)).toBeLessThan(
      4,
    );
  });

  // What browsers record says of no stream how long it is; Matroska says it of the file alone.
  it.each([
    ['live.webm', ['-live', '1']],
    ['long-sound.webm', ['-af', 'apad=pad_dur=4']],
    ['long-sound.mp4', ['-af', 'apad=pad_dur=4']],
    ['short-sound.mkv', ['-af', 'atrim=end=1']],
  ])('ends with the picture of %s', async (name, args) => {
    const film = clip(folder.path(`of-${name}`), { seconds: 3, args });
    expect(Math.abs(((await probe(film)).seconds ?? 0) - 3)).toBeLessThan(0.2);
    const out = folder.path(`under-${name}.mp4`);
    await muxClip(film, sine(5, 16000, 0.5, 880), out);
    expect(Math.abs(((await probe(out)).seconds ?? 0) - 3)).toBeLessThan(0.25);
    const { seconds } = await decodeAudio(out, { sampleRate: 16000, channels: 1 });
    expect(Math.abs(seconds - 3)).toBeLessThan(0.25);
  });

  it.each(['late.webm', 'late.mp4'])(
    'keeps the whole picture of %s, which comes after the sound',
    async (name) => {
      const picture = clip(folder.path(`picture-of-${name}`), { seconds: 3, sound: false });
      const sound = tone(folder.path(`sound-of-${name}.mka`), { seconds: 4, args: ['-c:a', 'libopus'] });
      const film = folder.path(name);
      const inputs = ['-itsoffset', '1', '-i', picture, '-i', sound];
      execFileSync('ffmpeg', ['-loglevel', 'error', '-nostdin', ...inputs, '-c', 'copy', film]);
      const info = await probe(film);
      expect(Math.abs((info.seconds ?? 0) - 4)).toBeLessThan(0.2);
      expect(Math.abs((info.pictureStart ?? 0) - 1)).toBeLessThan(0.1);
      const out = folder.path(`under-${name}.mp4`);
      await muxClip(film, sine(6, 16000, 0.5, 880), out);
      expect(Math.abs(((await probe(out)).seconds ?? 0) - 4)).toBeLessThan(0.25);
    },
  );

  // /dev/full is a device that answers every write with ENOSPC; ffmpeg sees it early or only at the end.
  it.each([1, 20])('says that the disk is full after %d s', async (seconds) => {
    const writing = encodeAudio(sine(seconds, 16000, 0.5), 'wav', '/dev/full');
    await expect(writing).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('says that ffmpeg is missing', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder.path('empty');
    try {
      await expect(encodeAudio(sine(1, 16000, 0.5), 'wav', folder.path('x.wav'))).rejects.toMatchObject({
        code: 'missing_dependency',
        message: expect.stringMatching(/apt install ffmpeg/),
      });
      await writeFile(folder.path('t.flac'), Buffer.from('fLaC'.padEnd(100, '\0'), 'latin1'));
      await expect(probe(folder.path('t.flac'))).rejects.toMatchObject({ code: 'missing_dependency' });
    } finally {
      process.env.PATH = path;
    }
  });
});

describe('loudness', () => {
  it.each([0.01, 0.2, 1.5])('brings an amplitude of %d to the target without clipping', async (amplitude) => {
    const out = await normaliseLoudness(sine(5, 24000, amplitude, 1000));
    expect(out.samples[0]).toHaveLength(5 * 24000);
    const { integrated, truePeak } = await measureLoudness(out);
    expect(Math.abs(integrated + 14)).toBeLessThan(0.6);
    expect(truePeak).toBeLessThan(-0.5);
  });

  it('holds peaks of spiky music and keeps its length', async () => {
    const spiky = sine(6, 24000, 0.05, 300);
    for (let i = 0; i < 6 * 24000; i += 4800) (spiky.samples[0] as Float32Array)[i] = 0.9;
    const out = await normaliseLoudness(spiky);
    expect(out.samples[0]).toHaveLength(6 * 24000);
    expect((await measureLoudness(out)).truePeak).toBeLessThan(-0.5);
    expect(peakOf(out.samples)).toBeLessThan(1);
  });

  it('leaves silence alone', async () => {
    const silent = { samples: [new Float32Array(24000)], sampleRate: 24000 };
    expect(peakOf((await normaliseLoudness(silent)).samples)).toBe(0);
  });

  it('fades both ends', () => {
    const sound = sine(1, 8000, 1);
    (sound.samples[0] as Float32Array).fill(1);
    fadeEnds(sound, 0.1, 0.2);
    const one = sound.samples[0] as Float32Array;
    expect([one[0], one[800], one[4000], one[7999]]).toEqual([0, 1, 1, 0]);
    expect(one[400]).toBeCloseTo(0.5, 2);
  });
});

describe('peaks', () => {
  it('are the largest magnitudes, at most as many as asked', () => {
    const one = new Float32Array(1000);
    one[250] = -0.5;
    one[999] = 1.2;
    const drawn = peaks([one], 4);
    expect(drawn).toEqual([0, 0.5, 0, 1]);
    expect(peaks([new Float32Array(3)], 400)).toHaveLength(3);
  });

  it('of a file stay small', async () => {
    await encodeAudio(sine(1, 16000, 0.5), 'wav', folder.path('p.wav'));
    expect((await stat(folder.path('p.wav'))).size).toBeLessThan(33000);
  });
});
