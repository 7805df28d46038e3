import { describe, expect, it } from 'vitest';
import { literal } from '#models/checkpoint/weights';
import type { WeightPrecision } from '#models/graph/types';
import * as v from '#models/graph/verbs';
import { quantiseBlocks, quantiseColumns } from '#models/quantise/blocks';
import { compare, randomFloats } from './support/compare.js';
import { floats, floatsOf, runGraph } from './support/session.js';

describe('blocks', () => {
  it('keeps every number within half a step, and those on the grid exactly, at 4 and 8 bits', () => {
    const [rows, columns, block] = [3, 40, 16];
    for (const bits of [4, 8] as const) {
      const numbers = randomFloats(rows * columns, bits);
      const zero = 1 << (bits - 1);
      const blocks = Math.ceil(columns / block);
      const { numbers: packed, scales } = quantiseBlocks(numbers, rows, columns, bits, block);
      expect(packed.length).toBe((rows * blocks * block * bits) / 8);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const place = (row * blocks + Math.floor(column / block)) * block + (column % block);
          const byte = packed[bits === 8 ? place : place >> 1] as number;
          const level = bits === 8 ? byte : place & 1 ? byte >> 4 : byte & 15;
          const scale = scales[row * blocks + Math.floor(column / block)] as number;
          const error = Math.abs((level - zero) * scale - (numbers[row * columns + column] as number));
          // A whole step where the number lies at the short end of the range (7 of -8..7).
          expect(error).toBeLessThanOrEqual(Math.abs(scale) * 1.0001);
        }
      }
    }
    const exact = quantiseBlocks(Float32Array.of(-8, 7, 0, 3), 1, 4, 4, 16);
    expect([...exact.numbers.subarray(0, 2)]).toEqual([0xf0, 0xb8]);
    expect([...exact.scales]).toEqual([1]);
  });

  it('survives blocks of zeros', () => {
    const { numbers, scales } = quantiseBlocks(new Float32Array(16), 1, 16, 4, 16);
    expect([...numbers]).toEqual(Array(8).fill(0x88));
    expect(scales[0]).toBeCloseTo(0);
  });
});

describe('columns', () => {
  it('turns a torch weight [out, in] into int8 [in, out] with one scale per output', () => {
    const { numbers, scales } = quantiseColumns(Float32Array.of(1, -64, 2, 0, 0, 0), 2, 3);
    expect([...numbers]).toEqual([1, 0, -64, 0, 2, 0]);
    expect([...scales]).toEqual([1, 0]);
  });
});

describe('products', () => {
  const [rows, inner, out] = [24, 256, 192];
  const x = floats([rows, inner], randomFloats(rows * inner, 1));
  const weight = literal('w', [out, inner], randomFloats(out * inner, 2));
  const bias = literal('b', [out], randomFloats(out, 3));
  const product = async (precision: WeightPrecision, manyRows: boolean) => {
    const g = new v.Graph('product', { precision, manyRows });
    const y = v.linear(g, g.input('x', 'float32', ['rows', inner]), weight, { bias });
    g.output('y', y, 'float32', ['rows', out]);
    return { g, y: floatsOf(await runGraph(g, { x }), 'y') };
  };

  it('of the largest numbers do not saturate, on processors without VNNI either', async () => {
    const ones = literal('w', [out, inner], new Float32Array(out * inner).fill(1));
    const g = new v.Graph('largest', { precision: 'int8', manyRows: true });
    g.output('y', v.linear(g, g.input('x', 'float32', ['rows', inner]), ones), 'float32', ['rows', out]);
    const largest = floats([rows, inner], new Float32Array(rows * inner).fill(1));
    const y = floatsOf(await runGraph(g, { x: largest }), 'y');
    for (const value of y) expect(Math.abs(value / inner - 1)).toBeLessThan(0.01);
  });

  it.each([
    ['int8', false, 'MatMulNBits', 0.01],
    ['int8', true, 'DynamicQuantizeMatMul', 0.01],
    ['int4', false, 'MatMulNBits', 0.1],
  ] as const)(
    '%s, many rows %s: %s agrees with float32',
    async (precision, manyRows, operator, tolerance) => {
      const exact = await product('fp32', manyRows);
      const { g, y } = await product(precision, manyRows);
      expect(g.nodes.map((node) => node.op_type)).toContain(operator);
      expect(compare(y, exact.y).largest).toBeLessThan(tolerance);
    },
  );
});
