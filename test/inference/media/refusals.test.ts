import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { decodeAudio } from '#inference/media/audio';
import { decodeVideoFrames } from '#inference/media/clip';
import { decodeImage } from '#inference/media/picture';
import { probe } from '#inference/media/probe';
import { blackPng, clip, fixtureFolder, lengthened, tone, truncated } from '#test/support/media-fixtures';

// Every case starts ffmpeg; on a machine that is busy otherwise each takes its time.
vi.setConfig({ testTimeout: 240_000 });
const folder = fixtureFolder();
afterAll(folder.remove);

function written(name: string, content: string | Buffer): string {
  const path = folder.path(name);
  writeFileSync(path, content);
  return path;
}

describe('files that are turned away', () => {
  const secret = (): string => tone(folder.path('secret.wav'));

  const cases: [string, () => string | Buffer, string, RegExp][] = [
    ['empty.mp3', () => '', 'invalid_input', /empty/],
    ['text.mp3', () => 'This is my favourite song.\nIt goes la la la.\n', 'unsupported_media', /text file/],
    [
      'list.m3u8',
      () => `#EXTM3U\n#EXTINF:2,\n${secret()}\n#EXT-X-ENDLIST\n`,
      'unsupported_media',
      /playlist/,
    ],
    ['list.mp3', () => `ffconcat version 1.0\nfile '${secret()}'\n`, 'unsupported_media', /playlist/],
    ['drawing.svg', () => '<svg xmlns="http://www.w3.org/2000/svg"/>', 'unsupported_media', /SVG/],
    ['drawing.png', () => '<?xml version="1.0"?>\n<svg width="9"/>', 'unsupported_media', /SVG/],
    ['page.mp4', () => '<!doctype html><html></html>', 'unsupported_media', /web page/],
    [
      'songs.zip',
      () => Buffer.from('504b0304140000000000'.padEnd(160, '0'), 'hex'),
      'unsupported_media',
      /zip/,
    ],
    [
      'notes.mid',
      () => Buffer.from('4d546864000000060000000100604d54726b00000000', 'hex'),
      'unsupported_media',
      /MIDI/,
    ],
    [
      'noise.wav',
      () => Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 73) % 251)),
      'unsupported_media',
      /./,
    ],
  ];
  it.each(cases)('%s', async (name, content, code, sentence) => {
    const path = written(name, content());
    const error = await probe(path).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'MumuError', code });
    expect((error as Error).message).toMatch(sentence);
    // One sentence, and nothing of this machine in it.
    expect((error as Error).message).not.toContain(folder.path(''));
    expect((error as Error).message.length).toBeLessThan(160);
  });

  it('a file larger than whoever takes it in allows, by that number; what was taken in is read whatever its size', async () => {
    const path = lengthened(tone(folder.path('large.wav')), 300 * 1024 * 1024);
    await expect(probe(path, undefined, 250 * 1024 * 1024)).rejects.toMatchObject({
      code: 'too_large',
      message: 'The file has 300 MB; at most 250 MB are accepted.',
    });
    expect(await probe(path, undefined, 300 * 1024 * 1024)).toMatchObject({ kind: 'audio' });
    expect(await probe(path)).toMatchObject({ kind: 'audio', bytes: 300 * 1024 * 1024 });
    const { samples } = await decodeAudio(path, { sampleRate: 8000, channels: 1, maxSeconds: 1 });
    expect(samples[0]?.length).toBe(8000);
  });

  it('a missing file and a folder', async () => {
    await expect(probe(folder.path('nowhere.mp3'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(probe(folder.path('.'))).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('a playlist hidden behind the magic of a song is never followed', async () => {
    const path = written(
      'hidden.mp3',
      Buffer.concat([
        Buffer.from('ID3\x03\0\0\0\0\0\0', 'latin1'),
        Buffer.from(`#EXTM3U\n#EXTINF:2,\n${secret()}\n`),
      ]),
    );
    const outcome = await probe(path)
      .then(() => decodeAudio(path, { sampleRate: 8000, channels: 1 }))
      .catch((e: unknown) => e);
    expect(outcome).toMatchObject({ name: 'MumuError', code: 'unsupported_media' });
  });

  it('a truncated mp4 whose index is missing', async () => {
    const path = await truncated(clip(folder.path('whole.mp4')), folder.path('part.mp4'), 0.6);
    await expect(probe(path)).rejects.toMatchObject({
      code: 'unsupported_media',
      message: expect.stringMatching(/cut short.*index/),
    });
  });

  it('a truncated mp4 whose index is whole gives what is there', async () => {
    const whole = clip(folder.path('fast.mp4'), { seconds: 6, args: ['-movflags', '+faststart'] });
    const path = await truncated(whole, folder.path('fast-part.mp4'), 0.6);
    const { frames } = await decodeVideoFrames(path, 8, 32);
    expect(frames).toHaveLength(8);
  });

  it('a picture of 40,000 x 40,000', async () => {
    const path = blackPng(folder.path('huge.png'), 40_000, 40_000);
    await expect(probe(path)).rejects.toMatchObject({
      code: 'too_large',
      message: expect.stringMatching(/40000 x 40000/),
    });
  });

  it('a picture that is cut short', async () => {
    const path = await truncated(blackPng(folder.path('ok.png'), 900, 900), folder.path('cut.png'), 0.7);
    await expect(decodeImage(path, 32)).rejects.toMatchObject({ code: 'unsupported_media' });
  });
});
