import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { float16ToFloat32, float32ToFloat16 } from '#models/checkpoint/half';
import { openSafetensors } from '#models/checkpoint/safetensors';
import { literal, loraMerged, stacked, transposed, weightNormed } from '#models/checkpoint/weights';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-checkpoint-'));
  path = join(folder, 'model.safetensors');
});
afterEach(() => rm(folder, { recursive: true }));

interface Stored {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** Writes a safetensors file by the format's description: length, JSON header, data. */
async function write(tensors: Record<string, Stored>): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.byteLength] };
    offset += bytes.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  const data = Object.values(tensors).map((tensor) => tensor.bytes);
  await writeFile(path, Buffer.concat([length, text, ...data]));
}

const f32 = (shape: number[], ...numbers: number[]): Stored => ({
  dtype: 'F32',
  shape,
  bytes: new Uint8Array(Float32Array.from(numbers).buffer),
});
const halves = (dtype: string, shape: number[], ...bits: number[]): Stored => ({
  dtype,
  shape,
  bytes: new Uint8Array(Uint16Array.from(bits).buffer),
});

describe('safetensors', () => {
  it('reads every float type as floats, below a prefix', async () => {
    await write({
      'a.single': f32([2, 1], 1.5, -2),
      'a.half': halves('F16', [3], 0x3c00, 0xc000, 0x0001),
      'a.brain': halves('BF16', [2], 0x3f80, 0xc040),
      other: f32([1], 9),
    });
    const reader = await openSafetensors(path);
    const a = reader.withPrefix('a.');
    expect(a.names()).toEqual(['single', 'half', 'brain']);
    expect(a.shape('single')).toEqual([2, 1]);
    expect([...(await a.read('single'))]).toEqual([1.5, -2]);
    expect([...(await a.read('half'))]).toEqual([1, -2, 2 ** -24]);
    expect([...(await a.read('brain'))]).toEqual([1, -3]);
    expect(a.fullName('half')).toBe('a.half');
    expect(a.has('other')).toBe(false);
    await reader.close();
  });

  it('names the file and the tensor that is missing or cut off', async () => {
    await expect(openSafetensors(join(folder, 'no.safetensors'))).rejects.toMatchObject({
      code: 'not_found',
    });
    await write({ whole: f32([2], 1, 2) });
    const reader = await openSafetensors(path);
    expect(() => reader.shape('absent')).toThrow(/model\.safetensors.*absent/);
    await reader.close();
    await truncate(path, 80);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'damaged_pack' });
    await writeFile(path, 'not a checkpoint at all');
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'damaged_pack' });
  });
});

describe('half precision', () => {
  it('rounds to nearest, ties to even, and keeps every half as it is', () => {
    const every = Uint16Array.from({ length: 0x7c01 }, (_, bits) => bits);
    const back = float32ToFloat16(float16ToFloat32(every));
    expect(every.findIndex((bits, index) => bits !== back[index])).toBe(-1);
    const given = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, 2 ** -25, 2 ** -25 * 1.01, -0);
    expect([...float32ToFloat16(given)]).toEqual([0x3c00, 0x3c02, 0x7c00, 0, 1, 0x8000]);
  });
});

describe('weights made from weights', () => {
  it('merges, stacks and transposes', async () => {
    const weight = literal('w', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    const a = literal('a', [1, 3], Float32Array.of(1, 0, -1));
    const b = literal('b', [2, 1], Float32Array.of(10, 100));
    expect([...(await loraMerged(weight, a, b).load())]).toEqual([11, 2, -7, 104, 5, -94]);
    expect([...(await weight.load())]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await transposed(weight).load())]).toEqual([1, 4, 2, 5, 3, 6]);
    const both = stacked([weight, a]);
    expect(both.dims).toEqual([3, 3]);
    expect([...(await both.load())]).toEqual([1, 2, 3, 4, 5, 6, 1, 0, -1]);
  });

  it.each([
    ['weight_g', 'weight_v'],
    ['parametrizations.weight.original0', 'parametrizations.weight.original1'],
  ])('takes weight norm apart as %s, over any axis', async (g, v) => {
    await write({ [`conv.${g}`]: f32([1, 1, 2], 10, 2), [`conv.${v}`]: f32([1, 2, 2], 3, 0, 4, -1) });
    const reader = await openSafetensors(path);
    const merged = await weightNormed(reader, 'conv', 2).load();
    expect([...merged]).toEqual([6, 0, 8, -2]);
    await reader.close();
  });
});
