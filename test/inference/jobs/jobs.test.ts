import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineFile } from '#contracts/engine';
import type { Progress } from '#contracts/progress';
import type { Request } from '#contracts/request';
import { createEngine, type Engine } from '#inference/engine';
import { probe } from '#inference/media/probe';
import { engineFile } from '#test/support/engine-file';
import { clip, fixtureFolder, tone } from '#test/support/media-fixtures';
import { randomPack } from '#test/support/random-pack';

// Many ffmpeg processes start here; on a machine that is busy otherwise each takes its time.
vi.setConfig({ testTimeout: 240_000 });
const fixtures = fixtureFolder();
let pack: Awaited<ReturnType<typeof randomPack>>;
let engine: Engine;
let count = 0;

beforeAll(async () => {
  pack = await randomPack();
  const cacheFolder = join(pack.folder, 'cache');
  engine = await createEngine({
    ...{ packFolder: pack.packFolder, device: 'cpu', threads: 1, cacheFolder, log: () => {} },
  });
});
afterAll(async () => {
  await engine?.close();
  await pack?.remove();
  fixtures.remove();
});

/** Runs a request of which only what matters is said; `seen` takes its progress. */
async function run(
  wish: { command: Request['command']; text?: string; options?: Request['options']; action?: string },
  files: EngineFile[],
  seen: Progress[] = [],
) {
  count += 1;
  const workFolder = join(pack.folder, `work-${count}`);
  await mkdir(workFolder, { recursive: true });
  const { text = '', options = {}, ...rest } = wish;
  const request = { id: `job-${count}`, conversation: 'c', user: 'u', files: [], text, options, ...rest };
  return engine.run(
    { request: request as Request, files, workFolder, seed: 7 },
    { onProgress: (progress) => seen.push(progress) },
  );
}

describe('a float file with samples that are no numbers', () => {
  const broken = () => {
    const args = ['-af', "aeval='if(eq(n,9e3),0/0,if(eq(n,2e4),1/0,val(0)))'", '-c:a', 'pcm_f32le'];
    return engineFile(tone(fixtures.path('broken.wav'), { args }));
  };

  it('is answered about like any other, with a note', async () => {
    const song = await broken();
    for (let i = 0; i < 2; i++) {
      const { text, notes } = await run({ command: 'ask', text: 'What?' }, [song]);
      expect(text).not.toBe('');
      expect(notes.join()).toMatch(/no sound/);
    }
  });

  it('is remixed and continued', async () => {
    const song = await broken();
    const options = { format: 'wav', seconds: 1 } as const;
    const louder = await run({ command: 'remix', text: '3 dB louder', options }, [song]);
    expect(louder.files[0]?.seconds).toBeCloseTo(2, 2);
    expect(Math.max(...(louder.files[0]?.peaks ?? []))).toBeCloseTo(0.125 * 10 ** (3 / 20), 2);
    const more = await run({ command: 'generate', action: 'extend', options }, [song]);
    expect(more.files[0]?.seconds).toBeCloseTo(3, 2);
  });
});

describe('music for a clip', () => {
  it.each([
    ['live.webm', ['-live', '1']],
    ['long-sound.mp4', ['-af', 'apad=pad_dur=4']],
  ])('lasts as long as the picture: %s', async (name, args) => {
    const film = await engineFile(clip(fixtures.path(name), { seconds: 3, args }), 'video');
    const { files } = await run({ command: 'generate', text: 'calm', action: 'new' }, [film]);
    expect(files.map((one) => one.mime)).toEqual(['audio/mpeg', 'video/mp4']);
    for (const one of files) {
      expect(Math.abs((one.seconds ?? 0) - 3)).toBeLessThan(0.2);
      expect(Math.abs(((await probe(one.path)).seconds ?? 0) - 3)).toBeLessThan(0.2);
    }
  });

  it.each([
    ['new music', { command: 'generate', text: 'x', action: 'new' }],
    ['a song continued', { command: 'generate', action: 'extend' }],
    ['a remix by the model', { command: 'remix', text: 'turn it into jazz' }],
    ['an exact remix', { command: 'remix', text: '20 % slower' }],
  ] as const)('is refused as mp4 where there is no clip before any work is done: %s', async (_, wish) => {
    const seen: Progress[] = [];
    const song = await engineFile(tone(fixtures.path('song.wav')));
    await expect(run({ ...wish, options: { format: 'mp4' } }, [song], seen)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/mp4 needs a clip/),
    });
    // The file was looked into, and that is all.
    const stages = new Set(seen.map((one) => (one.type === 'stage' ? one.stage : one.type)));
    expect([...stages]).toEqual(['decode']);
  });
});

describe('words that the text encoder has no room for', () => {
  const long = 'a folk dance with fiddle and tin whistle, slowly building up to a big ending at 120 bpm';
  const make = async (text: string, conditioning: 'caption' | 'projector') => {
    const options = { seconds: 1, conditioning, temperature: 0 };
    const { caption = '', notes } = await run({ command: 'generate', text, action: 'new', options }, []);
    return { caption, notes: notes.filter((note) => note.startsWith('The description')) };
  };

  it('are named, and the tempo among them is kept', async () => {
    const { caption, notes } = await make(long, 'caption');
    const [kept = ''] = /^a .*(?= at 120 bpm$)/.exec(caption) ?? [];
    const rest = / (.*) at 120 bpm$/.exec(long.slice(kept.length))?.[1];
    expect(`${kept} ${rest} at 120 bpm`).toBe(long);
    expect(notes).toEqual([
      `The description is too long for this pack's music; this was left out: "${rest}".`,
    ]);
  });

  it('are nothing to speak of where they fit, or where the projector speaks for them', async () => {
    expect(await make('a waltz', 'caption')).toEqual({ caption: 'a waltz', notes: [] });
    expect(await make(long, 'projector')).toEqual({ caption: long, notes: [] });
  });
});
