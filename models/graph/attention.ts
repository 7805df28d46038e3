import {
  add,
  concat,
  matmul,
  multiply,
  reshape,
  scale,
  slice,
  softmax,
  sum,
  transpose,
} from '#models/graph/basic';
import type { Graph } from '#models/graph/graph';
import type { Value } from '#models/graph/types';

/** [batch, time, heads * headDim] -> [batch, heads, time, headDim]. */
export function splitHeads(g: Graph, x: Value, heads: number, headDim: number): Value {
  return transpose(g, reshape(g, x, [0, 0, heads, headDim]), [0, 2, 1, 3]);
}

/** [batch, heads, time, headDim] -> [batch, time, heads * headDim]. */
export function joinHeads(g: Graph, x: Value, heads: number, headDim: number): Value {
  return reshape(g, transpose(g, x, [0, 2, 1, 3]), [0, 0, heads * headDim]);
}

export interface AttentionOptions {
  /** Added to the scores before the softmax; broadcasts to [..., queries, keys]. */
  mask?: Value | undefined;
  /** Factor of the scores: 1 / sqrt(headDim) unless the model says otherwise (T5: 1). */
  scale: number;
  /** Number of axes of query, key and value: 4 with a batch, 3 without. */
  rank?: 3 | 4;
}

function lastTwoSwapped(g: Graph, x: Value, rank: 3 | 4): Value {
  return transpose(g, x, rank === 4 ? [0, 1, 3, 2] : [0, 2, 1]);
}

/**
 * softmax(scale * Q K^T + mask) V on heads that are already apart:
 * query [..., heads, queries, headDim], key and value [..., heads, keys, headDim] -> [..., heads, queries, headDim].
 */
export function attend(g: Graph, query: Value, key: Value, value: Value, options: AttentionOptions): Value {
  const scaled = options.scale === 1 ? query : scale(g, query, options.scale);
  const scores = matmul(g, scaled, lastTwoSwapped(g, key, options.rank ?? 4));
  const masked = options.mask ? add(g, scores, options.mask) : scores;
  return matmul(g, softmax(g, masked), value);
}

export interface SplitAttentionInputs {
  /** [..., heads, 1, headDim], the one new position. */
  query: Value;
  key: Value;
  value: Value;
  /** [..., heads, capacity, headDim], owned by the caller and never copied out. */
  keyCache: Value;
  valueCache: Value;
  /** [capacity]: 0 where the cache is filled, a large negative number elsewhere. */
  mask: Value;
}

/**
 * Attention of one new position over a cache that is not part of the outputs:
 *
 *   scores over the cache + mask  \
 *                                  concat -> softmax -> split -> P_cache V_cache + p_new v_new
 *   score over the new row        /
 *
 * The caller appends the new row to its cache afterwards, so a step copies one row instead of the whole cache.
 */
export function splitAttention(
  g: Graph,
  inputs: SplitAttentionInputs,
  options: { scale: number; rank?: 3 | 4 },
): Value {
  const query = scale(g, inputs.query, options.scale);
  const cached = matmul(g, query, lastTwoSwapped(g, inputs.keyCache, options.rank ?? 4));
  const fresh = sum(g, multiply(g, query, inputs.key), [-1], true);
  const weights = softmax(g, concat(g, [add(g, cached, inputs.mask), fresh], -1));
  const fromCache = matmul(g, slice(g, weights, -1, 0, -1), inputs.valueCache);
  const fromNew = multiply(g, slice(g, weights, -1, -1, Number.MAX_SAFE_INTEGER), inputs.value);
  return add(g, fromCache, fromNew);
}

/** Lower-triangular additive mask [1, size, size] for `positions` int64 [size]: 0 at and before, -1e9 after. */
export function causalMask(g: Graph, positions: Value): Value {
  const rows = g.op('Unsqueeze', [positions, g.ints([1])]);
  const columns = g.op('Unsqueeze', [positions, g.ints([0])]);
  const future = g.op('Cast', [g.op('Less', [rows, columns])], { attributes: { to: 1 } });
  return g.op('Unsqueeze', [scale(g, future, -1e9), g.ints([0])]);
}

/** 0, 1, 2, ... as int64, as many as `ids` has entries along `axis`. */
export function positionsOf(g: Graph, ids: Value, axis: number): Value {
  const length = g.op('Shape', [ids], { attributes: { start: axis, end: axis + 1 } });
  return g.op('Range', [g.int(0), g.op('Squeeze', [length, g.ints([0])]), g.int(1)]);
}
