import { copyFile, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResultFile } from '#contracts/result';
import { probe } from '#inference/media/probe';
import { fitFile } from '#src/chat/fit';
import { voiceWaveform, waveformPicture } from '#src/chat/waveform';
import { createLogger } from '#src/log';
import { FolderStorage } from '#src/storage/folder-storage';
import { clip, fixtureFolder, tone } from '#test/support/media-fixtures';

const folder = fixtureFolder();
let storage: FolderStorage;

beforeAll(async () => {
  storage = await FolderStorage.open({
    folder: folder.path('storage'),
    maxBytes: 1e9,
    keepMilliseconds: 1e9,
    filesInUse: async () => new Set(),
    log: createLogger('silent'),
  });
});
afterAll(() => folder.remove());

async function stored(path: string, name: string): Promise<ResultFile> {
  const { kind, mime, seconds } = await probe(path);
  const content = { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
  const { key, bytes } = await storage.putFile(path, content);
  return { key, name, mime, bytes, ...(seconds === undefined ? {} : { seconds }) };
}

describe('a waveform', () => {
  it('is a small PNG, high where the sound is loud', async () => {
    const peaks = Array.from({ length: 400 }, (_, place) => (place < 200 ? 0.05 : 1));
    const png = await waveformPicture(peaks);
    expect(png.length).toBeLessThan(50_000);
    const { data, info } = await sharp(png).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([1200, 240]);
    const drawn = (from: number, to: number) => {
      let count = 0;
      for (let y = 0; y < 240; y += 1) {
        for (let x = from; x < to; x += 1) if ((data[(y * 1200 + x) * 4 + 3] ?? 0) > 128) count += 1;
      }
      return count;
    };
    expect(drawn(600, 1200)).toBeGreaterThan(10 * drawn(0, 600));
    expect(drawn(0, 600)).toBeGreaterThan(0);
    // The ground shows through.
    expect(data[3]).toBe(0);
  });

  it('of silence or of very few values can still be drawn', async () => {
    for (const peaks of [[], [0], [1, 0, 1]]) {
      expect((await sharp(await waveformPicture(peaks)).metadata()).width).toBe(1200);
    }
  });

  it('of a voice message has at most 256 bytes', () => {
    const bytes = Buffer.from(voiceWaveform(Array.from({ length: 400 }, () => 0.5)), 'base64');
    expect(bytes).toHaveLength(256);
    expect(new Set(bytes)).toEqual(new Set([128]));
    expect(Buffer.from(voiceWaveform([0, 1]), 'base64')).toEqual(Buffer.from([0, 255]));
  });
});

describe('a file that has to fit', () => {
  it('goes as it is where it is small enough', async () => {
    const path = tone(folder.path('small.wav'), { seconds: 1 });
    const file = await stored(path, 'small.wav');
    const fitted = await fitFile(storage, file, file.bytes);
    expect(fitted).toMatchObject({ name: 'small.wav', mime: 'audio/wav', smaller: false });
    expect(fitted?.content.equals(await buffer(await storage.read(file.key)))).toBe(true);
  });

  it('becomes Opus where it is not, as long as before', async () => {
    const file = await stored(tone(folder.path('song.wav'), { seconds: 20 }), 'song.v2.wav');
    const fitted = await fitFile(storage, file, 200_000);
    expect(fitted).toMatchObject({ name: 'song.v2.ogg', mime: 'audio/ogg', smaller: true });
    expect(fitted?.content.length).toBeLessThanOrEqual(200_000);
    await writeFile(folder.path('fitted.ogg'), fitted?.content ?? '');
    const info = await probe(folder.path('fitted.ogg'));
    expect(info.kind).toBe('audio');
    expect(info.seconds).toBeCloseTo(20, 0);
  });

  it('a clip stays a clip with its sound', async () => {
    const path = clip(folder.path('clip.mp4'), {
      seconds: 4,
      size: '1280x720',
      args: ['-c:v', 'libx264', '-qp', '4', '-pix_fmt', 'yuv420p'],
    });
    const file = await stored(path, 'clip.mp4');
    const limit = 300_000;
    expect(file.bytes).toBeGreaterThan(limit);
    const fitted = await fitFile(storage, file, limit);
    expect(fitted).toMatchObject({ mime: 'video/mp4', smaller: true });
    expect(fitted?.content.length).toBeLessThanOrEqual(limit);
    await writeFile(folder.path('fitted.mp4'), fitted?.content ?? '');
    expect(await probe(folder.path('fitted.mp4'))).toMatchObject({ kind: 'video', hasAudio: true });
  });

  it('is given up where nothing worth having would fit, or nothing can be read', async () => {
    const song = await stored(folder.path('song.wav'), 'song.wav');
    expect(await fitFile(storage, song, 10_000)).toBeUndefined();
    const moving = await stored(folder.path('clip.mp4'), 'clip.mp4');
    expect(await fitFile(storage, moving, 30_000)).toBeUndefined();
    await copyFile(folder.path('song.wav'), folder.path('broken.wav'));
    await writeFile(folder.path('broken.wav'), Buffer.alloc(5000, 'x'));
    const { key, bytes } = await storage.putFile(folder.path('broken.wav'), {
      kind: 'audio',
      mime: 'audio/wav',
    });
    const broken = { key, bytes, name: 'broken.wav', mime: 'audio/wav' };
    expect(await fitFile(storage, broken, 1000)).toBeUndefined();
  });
});
