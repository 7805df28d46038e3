import { asFloat16 } from '#models/checkpoint/weights';
import type { Graph } from '#models/graph/graph';
import {
  ELEMENT_TYPES,
  type ElementType,
  type FloatSource,
  type Value,
  type WeightSource,
} from '#models/graph/types';

// Element by element; shapes broadcast as in numpy.
export const add = (g: Graph, a: Value, b: Value): Value => g.op('Add', [a, b]);
export const subtract = (g: Graph, a: Value, b: Value): Value => g.op('Sub', [a, b]);
export const multiply = (g: Graph, a: Value, b: Value): Value => g.op('Mul', [a, b]);
export const divide = (g: Graph, a: Value, b: Value): Value => g.op('Div', [a, b]);
export const tanh = (g: Graph, x: Value): Value => g.op('Tanh', [x]);
export const relu = (g: Graph, x: Value): Value => g.op('Relu', [x]);
export const elu = (g: Graph, x: Value): Value => g.op('Elu', [x]);
/** x sigmoid(x); onnxruntime makes one operator of the pair. */
export const silu = (g: Graph, x: Value): Value => multiply(g, x, g.op('Sigmoid', [x]));
/** The exact GELU: x (1 + erf(x / sqrt 2)) / 2 (Hugging Face's "gelu"). */
export const gelu = (g: Graph, x: Value): Value => g.op('Gelu', [x]);
/** The tanh approximation of GELU (Hugging Face's "gelu_new", "gelu_fast" and "gelu_pytorch_tanh"). */
export const geluTanh = (g: Graph, x: Value): Value =>
  g.op('Gelu', [x], { attributes: { approximate: 'tanh' } });

/** The activation of a Hugging Face config (`hidden_act`); throws on one that no model here uses. */
export function activation(g: Graph, name: string, x: Value): Value {
  switch (name) {
    case 'gelu':
      return gelu(g, x);
    case 'gelu_new':
    case 'gelu_fast':
    case 'gelu_pytorch_tanh':
      return geluTanh(g, x);
    case 'relu':
      return relu(g, x);
    case 'silu':
    case 'swish':
      return silu(g, x);
    default:
      throw new RangeError(`the activation ${name} is not known`);
  }
}

/** Matrix product over the last two axes. */
export const matmul = (g: Graph, a: Value, b: Value): Value => g.op('MatMul', [a, b]);
export const softmax = (g: Graph, x: Value, axis = -1): Value =>
  g.op('Softmax', [x], { attributes: { axis } });
export const transpose = (g: Graph, x: Value, perm: readonly number[]): Value =>
  g.op('Transpose', [x], { attributes: { perm } });
/** `dims`: 0 keeps the axis of that place, -1 is what remains. */
export const reshape = (g: Graph, x: Value, dims: readonly number[]): Value =>
  g.op('Reshape', [x, g.ints(dims)]);
export const concat = (g: Graph, values: readonly Value[], axis: number): Value =>
  g.op('Concat', values, { attributes: { axis } });
export const unsqueeze = (g: Graph, x: Value, axes: readonly number[]): Value =>
  g.op('Unsqueeze', [x, g.ints(axes)]);
export const squeeze = (g: Graph, x: Value, axes: readonly number[]): Value =>
  g.op('Squeeze', [x, g.ints(axes)]);
export const cast = (g: Graph, x: Value, to: ElementType): Value =>
  g.op('Cast', [x], { attributes: { to: ELEMENT_TYPES[to] } });
/** The length of each axis, int64. */
export const shapeOf = (g: Graph, x: Value): Value => g.op('Shape', [x]);
/** Entries of `x` along `axis` at `indices` (int64); a scalar index takes the axis away. */
export const gather = (g: Graph, x: Value, indices: Value, axis = 0): Value =>
  g.op('Gather', [x, indices], { attributes: { axis } });

/** Entries `start` (inclusive) to `end` (exclusive) along `axis`; negative counts from the end. */
export function slice(g: Graph, x: Value, axis: number, start: number, end: number, step = 1): Value {
  return g.op('Slice', [x, g.ints([start]), g.ints([end]), g.ints([axis]), g.ints([step])]);
}

/** Everything from `start` on along `axis`. */
export const sliceFrom = (g: Graph, x: Value, axis: number, start: number): Value =>
  slice(g, x, axis, start, Number.MAX_SAFE_INTEGER);

/** Parts of the given sizes along `axis`. */
export function split(g: Graph, x: Value, axis: number, sizes: readonly number[]): Value[] {
  return g.ops('Split', [x, g.ints(sizes)], sizes.length, { attributes: { axis } });
}

/** Mean over `axes`. */
export function mean(g: Graph, x: Value, axes: readonly number[], keepDims: boolean): Value {
  return g.op('ReduceMean', [x, g.ints(axes)], { attributes: { keepdims: keepDims ? 1 : 0 } });
}

/** Sum over `axes`. */
export function sum(g: Graph, x: Value, axes: readonly number[], keepDims: boolean): Value {
  return g.op('ReduceSum', [x, g.ints(axes)], { attributes: { keepdims: keepDims ? 1 : 0 } });
}

/** Times a number. */
export const scale = (g: Graph, x: Value, factor: number): Value => multiply(g, x, g.float(factor));

/**
 * Rows of `table` [rows, width] at `ids` (int64): [...ids, width]. In a quantised graph the table is kept in half
 * precision, which no single looked-up row can tell from the original by more than 0.05 %.
 */
export function embedding(g: Graph, ids: Value, table: FloatSource): Value {
  if (g.precision === 'fp32') return gather(g, g.weight(table), ids);
  const halves: WeightSource = asFloat16(table);
  return cast(g, gather(g, g.weight(halves), ids), 'float32');
}
