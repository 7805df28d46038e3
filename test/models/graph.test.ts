import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { literal } from '#models/checkpoint/weights';
import { saveGraph, WeightFile } from '#models/graph/save';
import * as v from '#models/graph/verbs';
import { compare, randomFloats } from './support/compare.js';
import { floats, floatsOf, integers, runGraph } from './support/session.js';

/** x W^T + b by definition. */
function product(x: Float32Array, weight: Float32Array, rows: number, inner: number, out: number): number[] {
  return Array.from({ length: rows * out }, (_, index) => {
    const row = Math.floor(index / out);
    let total = 0;
    for (let k = 0; k < inner; k++) {
      total += (x[row * inner + k] as number) * (weight[(index % out) * inner + k] as number);
    }
    return total;
  });
}

describe('linear', () => {
  const [rows, inner, out] = [3, 160, 128];
  const x = randomFloats(rows * inner, 1);
  const weight = randomFloats(out * inner, 2);
  const reference = product(x, weight, rows, inner, out);

  // The bounds are what rounding to so many bits costs on evenly spread numbers, with a margin of two.
  it.each([
    ['fp32', 1e-6],
    ['int8', 0.01],
    ['int4', 0.12],
  ] as const)('%s multiplies by the transposed weight', async (precision, tolerance) => {
    const g = new v.Graph('linear', { precision });
    const input = g.input('x', 'float32', ['rows', inner]);
    g.output('y', v.linear(g, input, literal('w', [out, inner], weight)), 'float32', ['rows', out]);
    const results = await runGraph(g, { x: floats([rows, inner], x) });
    expect(results.y?.dims).toEqual([rows, out]);
    expect(compare(floatsOf(results, 'y'), reference).largest).toBeLessThan(tolerance);
  });
});

describe('split attention', () => {
  it('equals attention over the whole sequence', async () => {
    const [heads, size, capacity, dim] = [2, 5, 8, 4];
    const rows = (length: number, seed: number) => randomFloats(heads * length * dim, seed);
    const whole = new v.Graph('whole');
    const parts = ['query', 'key', 'value'] as const;
    const [query, key, value] = parts.map((name) => whole.input(name, 'float32', [heads, 'n', dim]));
    const attended = v.attend(whole, query as v.Value, key as v.Value, value as v.Value, {
      scale: 0.5,
      rank: 3,
    });
    whole.output('y', attended, 'float32', [heads, 1, dim]);
    const keys = rows(size, 3);
    const values = rows(size, 4);
    const feedQuery = floats([heads, 1, dim], rows(1, 5));
    const expected = await runGraph(whole, {
      query: feedQuery,
      key: floats([heads, size, dim], keys),
      value: floats([heads, size, dim], values),
    });

    const step = new v.Graph('step');
    const row = (name: string) => step.input(name, 'float32', [heads, 1, dim]);
    const cache = (name: string) => step.input(name, 'float32', [heads, 'capacity', dim]);
    const result = v.splitAttention(
      step,
      {
        query: row('query'),
        key: row('key'),
        value: row('value'),
        keyCache: cache('keyCache'),
        valueCache: cache('valueCache'),
        mask: step.input('mask', 'float32', ['capacity']),
      },
      { scale: 0.5, rank: 3 },
    );
    step.output('y', result, 'float32', [heads, 1, dim]);
    const last = (all: Float32Array) =>
      Array.from({ length: heads }, (_, head) =>
        Array.from(all.subarray((head * size + size - 1) * dim, (head + 1) * size * dim)),
      ).flat();
    const cached = (all: Float32Array) => {
      // What lies beyond the filled rows must not matter.
      const filled = new Float32Array(heads * capacity * dim).fill(7);
      for (let head = 0; head < heads; head++) {
        filled.set(all.subarray(head * size * dim, ((head + 1) * size - 1) * dim), head * capacity * dim);
      }
      return floats([heads, capacity, dim], filled);
    };
    const actual = await runGraph(step, {
      query: feedQuery,
      key: floats([heads, 1, dim], last(keys)),
      value: floats([heads, 1, dim], last(values)),
      keyCache: cached(keys),
      valueCache: cached(values),
      mask: floats(
        [capacity],
        Array.from({ length: capacity }, (_, position) => (position < size - 1 ? 0 : -1e9)),
      ),
    });
    expect(compare(floatsOf(actual, 'y'), floatsOf(expected, 'y')).largest).toBeLessThan(1e-6);
  });
});

describe('norms and masks', () => {
  it('normalises by the root mean square, by length, and masks what lies ahead', async () => {
    const g = new v.Graph('norms');
    const x = g.input('x', 'float32', [1, 2]);
    g.output('rms', v.rmsNorm(g, x, literal('w', [2], Float32Array.of(1, 2)), 0.5), 'float32', [1, 2]);
    g.output('unit', v.l2Normalise(g, x), 'float32', [1, 2]);
    g.output('mask', v.causalMask(g, v.positionsOf(g, g.input('ids', 'int64', ['s']), 0)), 'float32', [
      1,
      's',
      's',
    ]);
    const results = await runGraph(g, { x: floats([1, 2], [3, 4]), ids: integers([2], [9, 9]) });
    const root = Math.sqrt(12.5 + 0.5);
    expect(compare(floatsOf(results, 'rms'), [3 / root, 8 / root]).largest).toBeLessThan(1e-6);
    expect(compare(floatsOf(results, 'unit'), [0.6, 0.8]).largest).toBeLessThan(1e-6);
    expect(compare(floatsOf(results, 'mask'), [0, -1e9, 0, 0]).largest).toBe(0);
  });
});

describe('saving', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-graph-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps large weights in one file that graphs share', async () => {
    const weight = literal('w', [64, 64], randomFloats(64 * 64, 6));
    const x = floats([1, 64], randomFloats(64, 7));
    const file = await WeightFile.create(join(folder, 'shared.bin'));
    for (const name of ['first', 'second']) {
      const g = new v.Graph(name);
      g.output('y', v.linear(g, g.input('x', 'float32', [1, 64]), weight), 'float32', [1, 64]);
      await saveGraph(g, folder, file);
    }
    const { bytes } = await file.close();
    expect(bytes).toBe(64 * 64 * 4);
    expect((await stat(join(folder, 'first.onnx'))).size).toBeLessThan(1000);
    const answers = [];
    for (const name of ['first', 'second']) {
      const session = await InferenceSession.create(join(folder, `${name}.onnx`));
      const results = await session.run({ x: new Tensor('float32', x.data as Float32Array, [1, 64]) });
      answers.push(Array.from(results.y?.data as Float32Array));
      await session.release();
    }
    expect(answers[0]).toEqual(answers[1]);
    const reference = product(x.data as Float32Array, await weight.load(), 1, 64, 64);
    expect(compare(answers[0] as number[], reference).largest).toBeLessThan(1e-6);
  });
});
