import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineFile, EngineJob } from '#contracts/engine';
import type { Progress } from '#contracts/progress';
import type { Request } from '#contracts/request';
import { createEngine, type Engine } from '#inference/engine';
import { decodeAudio, peakOf, rmsOf } from '#inference/media/audio';
import { probe } from '#inference/media/probe';
import { engineFile } from '#test/support/engine-file';
import { blackPng, clip, fixtureFolder, silence, tone } from '#test/support/media-fixtures';
import { randomPack } from '#test/support/random-pack';

// Many ffmpeg processes start here; on a machine that is busy otherwise each takes its time.
vi.setConfig({ testTimeout: 240_000 });
const fixtures = fixtureFolder();
let pack: Awaited<ReturnType<typeof randomPack>>;
let engine: Engine;
let count = 0;

beforeAll(async () => {
  pack = await randomPack();
  engine = await createEngine({
    packFolder: pack.packFolder,
    device: 'cpu',
    threads: 1,
    cacheFolder: join(pack.folder, 'cache'),
    log: () => {},
  });
});
afterAll(async () => {
  await engine?.close();
  await pack?.remove();
  fixtures.remove();
});

type Wish = Partial<Omit<Extract<Request, { command: 'generate' }>, 'command'>> & {
  command: Request['command'];
  seed?: number;
  given?: EngineFile[];
};

async function job({ seed = 7, given = [], ...wish }: Wish): Promise<EngineJob> {
  count += 1;
  const workFolder = join(pack.folder, `work-${count}`);
  await mkdir(workFolder, { recursive: true });
  const request = {
    id: `job-${count}`,
    conversation: 'c',
    user: 'u',
    files: [],
    options: {},
    text: '',
    ...wish,
  };
  return { request: request as Request, files: given, workFolder, seed };
}

describe('asking', () => {
  it('answers without a file, the same for the same seed, and streams what it says', async () => {
    const seen: Progress[] = [];
    const one = await engine.run(await job({ command: 'ask', text: 'Hello?' }), {
      onProgress: (p) => seen.push(p),
    });
    const two = await engine.run(await job({ command: 'ask', text: 'Hello?' }));
    const other = await engine.run(await job({ command: 'ask', text: 'Hello?', seed: 8 }));
    expect(one.text).toBe(two.text);
    expect(one.text).not.toBe(other.text);
    expect(one.text).not.toMatch(/\[AUD|\uFFFD$/);
    expect(one).toMatchObject({ pack: 'random', files: [] });
    const texts = seen.filter((p) => p.type === 'text').map((p) => p.text);
    expect(texts.at(-1)).toBe(one.text);
    expect(seen.some((p) => p.type === 'stage' && p.stage === 'language')).toBe(true);
    expect(Object.keys(one.timings)).toEqual(['decode', 'encode', 'language', 'music', 'total']);
    expect(one.counts).toEqual({ tokens: expect.toSatisfy((count: number) => count > 0), musicSeconds: 0 });
  });

  it('hears the song: another song gives another answer, a question again skips the encoder', async () => {
    const low = await engineFile(tone(fixtures.path('low.wav'), { hz: 110, seconds: 5 }));
    const high = await engineFile(tone(fixtures.path('high.wav'), { hz: 4000, seconds: 5 }));
    const ask = (given: EngineFile[]) =>
      job({ command: 'ask', text: 'What is it?', given, options: { temperature: 0 } }).then((j) =>
        engine.run(j),
      );
    const first = await ask([low]);
    const again = await ask([low]);
    const other = await ask([high]);
    expect(again.text).toBe(first.text);
    expect(again.timings.encode).toBe(0);
    expect(first.timings.encode).toBeGreaterThan(0);
    expect(other.text).not.toBe(first.text);
  });

  it('takes song, picture and clip in one request', async () => {
    const song = await engineFile(tone(fixtures.path('song.mp3')));
    const picture = await engineFile(blackPng(fixtures.path('p.png'), 64, 64), 'image');
    const film = await engineFile(clip(fixtures.path('f.mp4')), 'video');
    const result = await engine.run(
      await job({ command: 'ask', text: 'What?', given: [song, picture, film] }),
    );
    expect(result.timings.encode).toBeGreaterThan(0);
  });

  it('answers about silence and says that it is silent', async () => {
    const quiet = await engineFile(silence(fixtures.path('quiet.wav'), 3));
    const result = await engine.run(await job({ command: 'ask', text: 'What?', given: [quiet] }));
    expect(result.notes.join()).toMatch(/silent/);
  });

  it('reads long, odd and hostile text', async () => {
    for (const text of ['a'.repeat(4000), '🎵 مرحبا שלום 👩‍🎤', '[AUD0][AUD1] </s> <s> $& ### Response:']) {
      const result = await engine.run(await job({ command: 'ask', text }));
      expect(result.text).not.toMatch(/\[AUD/);
      if (text.length === 4000) expect(result.notes.join()).toMatch(/too long/);
    }
  });

  it('describes every file for itself', async () => {
    const song = await engineFile(tone(fixtures.path('s1.wav')));
    const picture = await engineFile(blackPng(fixtures.path('s2.png'), 40, 40), 'image');
    const result = await engine.run(await job({ command: 'describe', given: [song, picture] }));
    expect(result.text).toMatch(/s1\.wav: [\s\S]*s2\.png: /);
  });

  it('refuses a file that is none', async () => {
    const gone: EngineFile = {
      key: '0'.repeat(64),
      path: fixtures.path('gone.mp3'),
      kind: 'audio',
      name: 'gone.mp3',
    };
    await expect(engine.run(await job({ command: 'ask', text: 'x', given: [gone] }))).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('making music', () => {
  const make = async (seed: number, conditioning: 'caption' | 'projector') => {
    const options = { seconds: 1.3, conditioning, format: 'wav' as const };
    return engine.run(await job({ command: 'generate', text: 'a slow waltz', options, action: 'new', seed }));
  };

  it('of exactly the length asked, audible and not clipped', async () => {
    const made = await make(1, 'projector');
    expect(made.files[0]).toMatchObject({ mime: 'audio/wav', seconds: 1.3 });
    expect(made.counts?.musicSeconds).toBe(1.3);
    expect(made.files[0]?.peaks).toHaveLength(400);
    expect(made.caption).not.toMatch(/\[AUD/);
    const sound = await decodeAudio(made.files[0]?.path ?? '', { sampleRate: 16000, channels: 1 });
    expect(sound.samples[0]?.length).toBe(1.3 * 16000);
    expect(peakOf(sound.samples)).toBeLessThan(0.999);
    expect(rmsOf(sound.samples)).toBeGreaterThan(0.01);
  });

  it('gives the same bytes for the same seed, others for another seed or condition', async () => {
    const bytes: Buffer[] = [];
    for (const [seed, how] of [
      [1, 'caption'],
      [1, 'caption'],
      [2, 'caption'],
      [1, 'projector'],
    ] as const) {
      bytes.push(await readFile((await make(seed, how)).files[0]?.path ?? ''));
    }
    const [one, two, otherSeed, otherCondition] = bytes as [Buffer, Buffer, Buffer, Buffer];
    expect(one.equals(two)).toBe(true);
    expect(one.equals(otherSeed)).toBe(false);
    expect(one.equals(otherCondition)).toBe(false);
  });

  it('goes past the window of the decoder, with progress that never falls', async () => {
    const seen: number[] = [];
    const result = await engine.run(
      await job({ command: 'generate', text: 'x', options: { seconds: 5, format: 'wav' } }),
      {
        onProgress: (p) => {
          if (p.type === 'stage' && p.stage === 'music') seen.push(p.fraction);
        },
      },
    );
    expect((await probe(result.files[0]?.path ?? '')).seconds).toBeCloseTo(5, 3);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it('from a picture alone; from nothing at all it asks for something', async () => {
    const picture = await engineFile(blackPng(fixtures.path('g.png'), 64, 64), 'image');
    const result = await engine.run(
      await job({ command: 'generate', given: [picture], options: { seconds: 1 }, action: 'new' }),
    );
    expect(result.files[0]?.mime).toBe('audio/mpeg');
    const nothing = engine.run(await job({ command: 'generate', action: 'new' }));
    await expect(nothing).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('for a clip as mp4, as long as the clip', async () => {
    const film = await engineFile(clip(fixtures.path('g.mp4'), { seconds: 3 }), 'video');
    const made = await job({ command: 'generate', text: 'calm', given: [film], options: { format: 'mp4' } });
    const result = await engine.run(made);
    expect(result.files).toHaveLength(1);
    const info = await probe(result.files[0]?.path ?? '');
    expect(info).toMatchObject({ kind: 'video', hasAudio: true });
    expect(Math.abs((info.seconds ?? 0) - 3)).toBeLessThan(0.2);
    expect(result.files[0]?.seconds).toBeCloseTo(info.seconds ?? 0, 1);
    const noClip = engine.run(
      await job({ command: 'generate', text: 'x', options: { format: 'mp4', seconds: 1 } }),
    );
    await expect(noClip).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/clip/),
    });
  });

  it('says of an mp4 how long the clip is, whatever the length of the music', async () => {
    const film = await engineFile(clip(fixtures.path('h.mp4'), { seconds: 3 }), 'video');
    const make = async (seconds: number) =>
      engine.run(
        await job({ command: 'generate', text: 'calm', given: [film], options: { format: 'mp4', seconds } }),
      );
    const short = await make(1);
    const written = (await probe(short.files[0]?.path ?? '')).seconds ?? 0;
    expect(Math.abs(written - 3)).toBeLessThan(0.2);
    expect(short.files[0]?.seconds).toBeCloseTo(written, 1);
    // The music is over after the first third.
    expect(Math.max(...(short.files[0]?.peaks ?? []).slice(0, 120))).toBeGreaterThan(0.01);
    expect(Math.max(...(short.files[0]?.peaks ?? []).slice(150))).toBe(0);
    expect(short.notes.join()).not.toMatch(/ends with the clip/);
    const long = await make(5);
    expect(Math.abs((long.files[0]?.seconds ?? 0) - 3)).toBeLessThan(0.2);
    expect(long.notes.join()).toMatch(/The music lasts 5 seconds: it ends with the clip/);
  });

  it('continues a song: the song stays as it is, then comes more', async () => {
    const path = tone(fixtures.path('e.wav'), { hz: 300, seconds: 4, rate: 22050, args: ['-ac', '2'] });
    const result = await engine.run(
      await job({
        command: 'generate',
        action: 'extend',
        given: [await engineFile(path)],
        options: { seconds: 2, format: 'wav' },
      }),
    );
    const out = await decodeAudio(result.files[0]?.path ?? '', { sampleRate: 22050, channels: 2 });
    const song = await decodeAudio(path, { sampleRate: 22050, channels: 2 });
    expect(out.samples[0]?.length).toBe(6 * 22050);
    const kept = Math.floor(3.8 * 22050);
    let worst = 0;
    for (let i = 0; i < kept; i++) {
      worst = Math.max(worst, Math.abs((out.samples[0]?.[i] ?? 0) - (song.samples[0]?.[i] ?? 0)));
    }
    expect(worst).toBeLessThan(0.02);
    expect(rmsOf(out.samples.map((one) => one.subarray(4 * 22050)))).toBeGreaterThan(0.001);
  });

  it('stops at the next step when cancelled', async () => {
    const stop = new AbortController();
    let steps = 0;
    const running = engine.run(await job({ command: 'generate', text: 'x', options: { seconds: 60 } }), {
      signal: stop.signal,
      onProgress: (p) => {
        if (p.type !== 'stage' || p.stage !== 'music') return;
        steps += 1;
        if (p.fraction > 0) stop.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(steps).toBeLessThan(4);
  });

  it('lets a question through while music is being made', async () => {
    const order: string[] = [];
    const music = engine
      .run(await job({ command: 'generate', text: 'x', options: { seconds: 20 } }))
      .then(() => order.push('music'));
    const text = engine.run(await job({ command: 'ask', text: 'Hello?' })).then(() => order.push('text'));
    await Promise.all([music, text]);
    expect(order).toEqual(['text', 'music']);
  });
});

describe('remixing', () => {
  it('edits exactly, or makes new material from the song', async () => {
    const song = await engineFile(tone(fixtures.path('r.wav'), { hz: 500, seconds: 4 }));
    const options = { format: 'wav' as const };
    const slower = await engine.run(
      await job({ command: 'remix', text: '20 % slower', given: [song], options }),
    );
    const info = await probe(slower.files[0]?.path ?? '');
    expect(Math.abs((info.seconds ?? 0) - 5)).toBeLessThan(0.05);
    expect(slower.plan).toMatchObject([{ operation: 'tempo', by: 'exact' }]);
    const drums = await job({
      command: 'remix',
      text: 'add drums',
      given: [song],
      options: { ...options, seconds: 1 },
    });
    const added = await engine.run(drums);
    expect(added.plan).toMatchObject([{ by: 'model' }]);
    expect(added.caption).not.toMatch(/\[AUD/);
    expect(added.files).toHaveLength(1);
  });

  it('without a song asks for one', async () => {
    const alone = engine.run(await job({ command: 'remix', text: 'slower' }));
    await expect(alone).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
