import sharp from 'sharp';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { decodeVideoFrames } from '#inference/media/clip';
import { decodeImage } from '#inference/media/picture';
import { probe } from '#inference/media/probe';
import { resizeBilinear } from '#inference/media/resize';
import { clip, fixtureFolder } from '#test/support/media-fixtures';
import expected from './pillow-resize.json' with { type: 'json' };

// Every case starts ffmpeg; on a machine that is busy otherwise each takes its time.
vi.setConfig({ testTimeout: 240_000 });
const folder = fixtureFolder();
afterAll(folder.remove);

/** The same pattern as in pillow-resize.json's recipe: integer arithmetic only, so both languages agree. */
function pattern(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      data[at] = (x * 7 + y * 13) % 256;
      data[at + 1] = (x * x + 3 * y) % 256;
      data[at + 2] = (x * y) % 256;
    }
  }
  return { data, width, height };
}

describe('resizing', () => {
  // Guards against: other kernels (libvips, canvas), no antialiasing, half-pixel shifts, rounding once instead of twice.
  it.each(expected.cases)('$from to $to is what Pillow gives', ({ from, to, pixels }) => {
    const [w = 0, h = 0] = from;
    const [tw = 0, th = 0] = to;
    const out = resizeBilinear(pattern(w, h), tw, th);
    expect([...out.data.subarray(0, pixels.length)]).toEqual(pixels);
  });
});

describe('pictures', () => {
  it('have transparency laid on white', async () => {
    const path = folder.path('clear.png');
    await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toFile(path);
    expect(new Set((await decodeImage(path, 4)).data)).toEqual(new Set([255]));
  });

  it('are turned as their EXIF data says', async () => {
    const path = folder.path('turned.jpg');
    // Left half black, right half white; orientation 6 is to be turned a quarter to the right: black ends on top.
    const data = Buffer.alloc(64 * 64 * 3, 0).map((_, i) => (Math.floor(i / 3) % 64 < 32 ? 0 : 255));
    await sharp(data, { raw: { width: 64, height: 64, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(path);
    const { data: out } = await decodeImage(path, 2);
    expect([out[0], out[3], out[6], out[9]].map((v) => (v ?? 0) > 128)).toEqual([false, false, true, true]);
  });

  it.each(['jpg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)('%s is read', async (format) => {
    const path = folder.path(`red.${format}`);
    await sharp({ create: { width: 50, height: 30, channels: 3, background: '#c03020' } }).toFile(path);
    expect(await probe(path)).toMatchObject({ kind: 'image', width: 50, height: 30 });
    const { data } = await decodeImage(path, 16);
    expect(data).toHaveLength(16 * 16 * 3);
    expect(Math.abs((data[0] ?? 0) - 0xc0)).toBeLessThan(8);
  });

  it('grey and bmp are read', async () => {
    const grey = folder.path('grey.png');
    await sharp(Buffer.alloc(100, 77), { raw: { width: 10, height: 10, channels: 1 } })
      .png()
      .toFile(grey);
    expect([...(await decodeImage(grey, 2)).data]).toEqual(new Array(12).fill(77));
    const bmp = clip(folder.path('one.bmp'), { sound: false, args: ['-frames:v', '1'] });
    expect((await decodeImage(bmp, 8)).data).toHaveLength(192);
  });
});

describe('clips', () => {
  it('give evenly spaced frames, the same every time', async () => {
    // Brightness grows with time: frame i of 8 in 4 s is taken at (i + 0.5) / 2 s.
    const path = clip(folder.path('ramp.mp4'), {
      seconds: 4,
      size: '64x64',
      sound: false,
      args: ['-vf', "geq=lum='T*50+16':cb=128:cr=128", '-crf', '5'],
    });
    const one = await decodeVideoFrames(path, 8, 16);
    const two = await decodeVideoFrames(path, 8, 16);
    expect(one.frames.map((f) => [...f.data])).toEqual(two.frames.map((f) => [...f.data]));
    const brightness = one.frames.map((f) => f.data.reduce((a, b) => a + b, 0) / f.data.length);
    for (const [i, value] of brightness.entries()) {
      const seconds = (i + 0.5) / 2;
      // geq writes limited-range luma: 16 to 235 become 0 to 255; a frame lasts a tenth of a second.
      expect(Math.abs(value - (seconds * 50 * 255) / 219)).toBeLessThan(8);
    }
  });

  // Browsers record no length; a container is as long as its sound where that is longer.
  it.each([
    ['live.webm', ['-live', '1']],
    ['long-sound.webm', ['-af', 'apad=pad_dur=30']],
    ['long-sound.mp4', ['-af', 'apad=pad_dur=30']],
  ])('are looked at as long as their picture lasts: %s', async (name, args) => {
    const path = clip(folder.path(name), { seconds: 4, args });
    const { frames } = await decodeVideoFrames(path, 16, 64);
    expect(new Set(frames.map((one) => Buffer.from(one.data).toString('base64'))).size).toBe(16);
  });

  it('that go on past what is looked at say so, whether the file knows its length or not', async () => {
    const args = (more: string[]) => ['-r', '2', ...more];
    const short = { seconds: 130, size: '32x32', sound: false };
    const known = clip(folder.path('long.mp4'), { ...short, args: args([]) });
    expect(await probe(known)).toMatchObject({
      notes: [expect.stringMatching(/^The clip is 2 minutes long; only/)],
    });
    const unknown = clip(folder.path('long.webm'), { ...short, args: args(['-live', '1']) });
    const info = await probe(unknown);
    expect(info.notes).toEqual([expect.stringMatching(/^The clip is longer than 2 minutes; only/)]);
    expect(info.seconds).toBeGreaterThan(120);
    expect(info.seconds).toBeLessThan(125);
  });

  it('of a few frames repeat them', async () => {
    const path = clip(folder.path('short.mp4'), { seconds: 0.3, sound: false });
    expect((await decodeVideoFrames(path, 16, 24)).frames).toHaveLength(16);
  });
});
