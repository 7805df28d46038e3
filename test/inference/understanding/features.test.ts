import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resizeBilinear } from '#inference/media/resize';
import { encodeHeard, FeatureCache } from '#inference/understanding/feature-cache';
import { framesToPlanes, toPlanes } from '#inference/understanding/pixels';
import { chunkWaveform, normaliseWaveform } from '#inference/understanding/waveform';
import { fixtureFolder } from '#test/support/media-fixtures';

const folder = fixtureFolder();

/** From transformers 5: Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=24000)(x).input_values[0]. */
const REFERENCE_WAVE = {
  first: [-1.8184896, -1.4594591, -0.5977858, 0.7665302, -0.8491072, 1.5204941, 0.9101423, 0.8024332],
  at150: -0.5977858,
};
/** ViTImageProcessor(size 16, mean [.5, .4, .3], deviation [.5, .25, .2]) at [y, x] = [3, 5] and [15, 0]. */
const REFERENCE_PIXELS = {
  at3_5: [0.6941177, 0.1568627, 1.0882354],
  at15_0: [0.3568628, 0.2352941, -0.5588236],
};
afterAll(folder.remove);

describe('waveforms', () => {
  it('are normalised as transformers does it', () => {
    const samples = Float32Array.from({ length: 200 }, (_, i) => ((i * i * 7 + i * 3) % 97) / 50 - 0.9);
    const out = normaliseWaveform(samples);
    const expected = REFERENCE_WAVE;
    for (const [i, value] of expected.first.entries()) expect(out[i]).toBeCloseTo(value, 5);
    expect(out[150]).toBeCloseTo(expected.at150, 5);
    expect(normaliseWaveform(new Float32Array(10)).every((value) => value === 0)).toBe(true);
  });

  it.each([
    [10, [10]],
    [30, [30]],
    [30.5, [30.5]],
    [31, [30, 1]],
    [95, [30, 30, 30, 5]],
    [600, new Array(20).fill(30)],
    [600.9, [...new Array(19).fill(30), 30.9]],
  ])('of %d s are cut into %j s, none dropped', (seconds, expected) => {
    const samples = Float32Array.from({ length: Math.round(seconds * 100) }, (_, i) => i);
    const chunks = chunkWaveform(samples, { sampleRate: 100, chunkSeconds: 30, receptiveField: 20 });
    expect(chunks.map((chunk) => chunk.length / 100)).toEqual(expected);
    expect(Float32Array.from(chunks.flatMap((chunk) => [...chunk]))).toEqual(samples);
  });

  it('shorter than a frame are padded to one', () => {
    const chunks = chunkWaveform(new Float32Array(5).fill(1), {
      sampleRate: 100,
      chunkSeconds: 30,
      receptiveField: 20,
    });
    expect(chunks).toHaveLength(1);
    expect([...(chunks[0] ?? [])]).toEqual([1, 1, 1, 1, 1, ...new Array(15).fill(0)]);
  });
});

describe('pixels', () => {
  it('are those of ViTImageProcessor', () => {
    const data = new Uint8Array(48 * 40 * 3);
    for (let y = 0; y < 40; y++) {
      for (let x = 0; x < 48; x++) {
        data.set([(x * 7 + y * 13) % 256, (x * x + 3 * y) % 256, (x * y) % 256], (y * 48 + x) * 3);
      }
    }
    const picture = resizeBilinear({ data, width: 48, height: 40 }, 16, 16);
    const planes = toPlanes(picture, [0.5, 0.4, 0.3], [0.5, 0.25, 0.2]);
    const at = (y: number, x: number) => [0, 1, 2].map((c) => planes[c * 256 + y * 16 + x] ?? 0);
    for (const [i, value] of at(3, 5).entries()) expect(value).toBeCloseTo(REFERENCE_PIXELS.at3_5[i] ?? 0, 4);
    for (const [i, value] of at(15, 0).entries())
      expect(value).toBeCloseTo(REFERENCE_PIXELS.at15_0[i] ?? 0, 4);
    const frames = framesToPlanes([picture, picture], [0.5, 0.4, 0.3], [0.5, 0.25, 0.2]);
    expect(frames.subarray(768)).toEqual(planes);
  });
});

describe('the feature cache', () => {
  const heard = { feature: Float32Array.from([1.5, -2, 3e-8]), notes: ['cut'] };

  it('keeps features and notes in memory and on disk, where NumPy reads them', async () => {
    const path = folder.path('cache');
    let computed = 0;
    const compute = async () => {
      computed += 1;
      return heard;
    };
    const cache = new FeatureCache(path);
    expect(await cache.take('k', compute)).toEqual(heard);
    expect(await cache.take('k', compute)).toEqual(heard);
    expect(await new FeatureCache(path).take('k', compute)).toEqual(heard);
    expect(computed).toBe(1);
    const bytes = await readFile(join(path, 'k.npy'));
    expect(bytes.toString('latin1', 0, 6)).toBe('\x93NUMPY');
    expect((10 + bytes.readUInt16LE(8)) % 64).toBe(0);
  });

  it('computes again what was damaged on disk', async () => {
    const path = folder.path('damaged');
    await new FeatureCache(path).take('k', async () => heard);
    await writeFile(join(path, 'k.npy'), '\x93NUMPY\x01\x00', 'latin1');
    expect(await new FeatureCache(path).take('k', async () => heard)).toEqual(heard);
  });

  it.each([NaN, Infinity])('keeps and takes no feature that holds %d', async (value) => {
    const path = folder.path(`not-finite-${value}`);
    const spoilt = { feature: Float32Array.from([1, value]), notes: [] };
    const cache = new FeatureCache(path);
    await expect(cache.take('k', async () => spoilt)).rejects.toMatchObject({ code: 'internal' });
    expect(await cache.take('k', async () => heard)).toEqual(heard);
    // As it lies on disks from when nobody looked.
    await writeFile(join(path, 'k.npy'), encodeHeard(spoilt));
    expect(await new FeatureCache(path).take('k', async () => heard)).toEqual(heard);
    expect(await readFile(join(path, 'k.npy'))).toEqual(encodeHeard(heard));
  });

  it('forgets what was unused longest', async () => {
    const cache = new FeatureCache(folder.path('small'), { memory: 2, disk: 1000 });
    let computed = 0;
    const take = (key: string) =>
      cache.take(key, async () => {
        computed += 1;
        return heard;
      });
    await take('a');
    await take('b');
    await take('a');
    await take('c');
    await take('a');
    expect(computed).toBe(3);
  });

  it('does without a disk', async () => {
    await writeFile(folder.path('file'), '');
    const cache = new FeatureCache(join(folder.path('file'), 'not-a-folder'));
    expect(await cache.take('k', async () => heard)).toEqual(heard);
  });
});
