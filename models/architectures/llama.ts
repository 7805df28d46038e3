import {
  injectedLayers,
  type LlamaDims,
  type LlamaLayer,
  llamaLayer,
} from '#models/architectures/llama-weights';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { tensor } from '#models/checkpoint/weights';
import type { WeightPrecision } from '#models/graph/types';
import * as v from '#models/graph/verbs';

export interface BuildOptions {
  /** How the large matrices are kept. Default 'fp32'. */
  precision?: WeightPrecision;
  /** Whether most products have many rows (encoders): int8 then takes another operator, see linear. Default false. */
  manyRows?: boolean;
}

interface Rotary {
  cosine: v.Value;
  sine: v.Value;
}

/**
 * LLaMA over a whole prompt (Touvron et al. 2023; MuMu-LLaMA's adapter parts are merged or come in as `injection`):
 * input_ids int64 [S], as [1, S]; injection [injected layers, dim] -> logits [1, vocab] of the last position, hidden
 * [S, dim] of the last layer before the final norm, keys and values [layers, heads, S, headDim] (rotary applied).
 */
export function buildLlamaPrefill(
  reader: TensorReader,
  config: LlamaDims,
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('language-prefill', options);
  const { dim, n_layers, n_heads } = config;
  const headDim = dim / n_heads;
  const ids = v.reshape(g, g.input('input_ids', 'int64', [1, 'S']), [-1]);
  const injection = injectionInput(g, config);
  const positions = v.positionsOf(g, ids, 0);
  const rotary = rotaryAt(g, config, positions);
  const mask = v.causalMask(g, positions);
  const keys: v.Value[] = [];
  const values: v.Value[] = [];
  const hidden = decoder(g, reader, config, ids, rotary, injection, (query, key, value) => {
    keys.push(key);
    values.push(value);
    return v.attend(g, query, key, value, { scale: headDim ** -0.5, mask, rank: 3 });
  });
  g.output('logits', head(g, reader, config, v.sliceFrom(g, hidden, 0, -1)), 'float32', [
    1,
    config.vocab_size,
  ]);
  g.output('hidden', hidden, 'float32', ['S', dim]);
  g.output('keys', stackLayers(g, keys), 'float32', [n_layers, n_heads, 'S', headDim]);
  g.output('values', stackLayers(g, values), 'float32', [n_layers, n_heads, 'S', headDim]);
  return g;
}

/**
 * LLaMA over one new token, against a cache that the caller owns (see splitAttention): input_ids int64 [1], position
 * int64 [1], injection [injected layers, dim], mask [C], key_cache.l and value_cache.l [heads, C, headDim] -> logits
 * [1, vocab], hidden [1, dim], new_keys and new_values [layers, heads, headDim].
 */
export function buildLlamaStep(reader: TensorReader, config: LlamaDims, options: BuildOptions = {}): v.Graph {
  const g = new v.Graph('language-step', options);
  const { dim, n_layers, n_heads } = config;
  const headDim = dim / n_heads;
  const ids = g.input('input_ids', 'int64', [1]);
  const position = g.input('position', 'int64', [1]);
  const injection = injectionInput(g, config);
  const mask = g.input('mask', 'float32', ['C']);
  const caches = Array.from({ length: n_layers }, (_, layer) => ({
    keyCache: g.input(`key_cache.${layer}`, 'float32', [n_heads, 'C', headDim]),
    valueCache: g.input(`value_cache.${layer}`, 'float32', [n_heads, 'C', headDim]),
  }));
  const rotary = rotaryAt(g, config, position);
  const keys: v.Value[] = [];
  const values: v.Value[] = [];
  const hidden = decoder(g, reader, config, ids, rotary, injection, (query, key, value, layer) => {
    keys.push(key);
    values.push(value);
    const cache = caches[layer] as (typeof caches)[number];
    return v.splitAttention(g, { query, key, value, mask, ...cache }, { scale: headDim ** -0.5, rank: 3 });
  });
  g.output('logits', head(g, reader, config, hidden), 'float32', [1, config.vocab_size]);
  g.output('hidden', hidden, 'float32', [1, dim]);
  const rows = (parts: v.Value[]) => v.reshape(g, stackLayers(g, parts), [n_layers, n_heads, headDim]);
  g.output('new_keys', rows(keys), 'float32', [n_layers, n_heads, headDim]);
  g.output('new_values', rows(values), 'float32', [n_layers, n_heads, headDim]);
  return g;
}

function injectionInput(g: v.Graph, config: LlamaDims): v.Value {
  return g.input('injection', 'float32', [injectedLayers(config).count, config.dim]);
}

/** One row per layer under each other: layers x [heads, S, headDim] -> [layers, heads, S, headDim]. */
function stackLayers(g: v.Graph, layers: readonly v.Value[]): v.Value {
  return v.concat(
    g,
    layers.map((layer) => v.unsqueeze(g, layer, [0])),
    0,
  );
}

/** Query, key and value [heads, S, headDim] of a layer -> what was attended to, same shape. */
type Attend = (query: v.Value, key: v.Value, value: v.Value, layer: number) => v.Value;

/** Token ids [S] -> states of the last layer [S, dim], before the final norm. */
function decoder(
  g: v.Graph,
  reader: TensorReader,
  config: LlamaDims,
  ids: v.Value,
  rotary: Rotary,
  injection: v.Value,
  attend: Attend,
): v.Value {
  const llama = reader.withPrefix('llama.');
  const { first } = injectedLayers(config);
  let x = v.embedding(g, ids, tensor(llama, 'tok_embeddings.weight'));
  for (let index = 0; index < config.n_layers; index++) {
    const weights = llamaLayer(llama, config, index);
    x = g.scope(`layers.${index}`, () => {
      const attended = attentionBlock(g, config, weights, x, rotary, (q, k, value) =>
        attend(q, k, value, index),
      );
      const mixed = v.add(g, x, attended);
      // The injection is one vector for every position (docs: "the injection is a constant").
      const joined = index < first ? mixed : v.add(g, mixed, v.gather(g, injection, g.int(index - first)));
      return v.add(g, joined, feedForward(g, config, weights, joined));
    });
  }
  return x;
}

function attentionBlock(
  g: v.Graph,
  config: LlamaDims,
  weights: LlamaLayer,
  x: v.Value,
  rotary: Rotary,
  attend: (query: v.Value, key: v.Value, value: v.Value) => v.Value,
): v.Value {
  const { dim, n_heads, norm_eps } = config;
  const headDim = dim / n_heads;
  return g.scope('attention', () => {
    const normed = v.rmsNorm(g, x, weights.attentionNorm, norm_eps);
    // [S, 3 dim] -> [S, 3 heads, headDim] -> [3 heads, S, headDim]
    const all = v.affine(g, normed, weights.queryKeyValue);
    const heads = v.transpose(g, v.reshape(g, all, [0, 3 * n_heads, headDim]), [1, 0, 2]);
    const [queryKey, value] = v.split(g, heads, 0, [2 * n_heads, n_heads]) as [v.Value, v.Value];
    const [query, key] = v.split(g, rotate(g, queryKey, rotary, headDim), 0, [n_heads, n_heads]) as [
      v.Value,
      v.Value,
    ];
    const mixed = v.transpose(g, attend(query, key, value), [1, 0, 2]);
    return v.affine(g, v.reshape(g, mixed, [0, dim]), weights.output);
  });
}

/** w2(silu(w1 x) * w3 x) */
function feedForward(g: v.Graph, config: LlamaDims, weights: LlamaLayer, x: v.Value): v.Value {
  const { hidden_dim } = config;
  return g.scope('feed_forward', () => {
    const normed = v.rmsNorm(g, x, weights.feedForwardNorm, config.norm_eps);
    const [gate, up] = v.split(g, v.affine(g, normed, weights.gateUp), -1, [hidden_dim, hidden_dim]) as [
      v.Value,
      v.Value,
    ];
    return v.affine(g, v.multiply(g, v.silu(g, gate), up), weights.down);
  });
}

/** Final norm and output matrix: [rows, dim] -> [rows, vocab]. Its errors are the answer's: 8 bits at least. */
function head(g: v.Graph, reader: TensorReader, config: LlamaDims, hidden: v.Value): v.Value {
  const llama = reader.withPrefix('llama.');
  const normed = v.rmsNorm(g, hidden, tensor(llama, 'norm.weight'), config.norm_eps);
  const precision = g.precision === 'int4' ? 'int8' : g.precision;
  return v.linear(g, normed, tensor(llama, 'output.weight'), { precision });
}

/** Rows of the rotary tables at `positions` int64 [S]: [S, headDim] each. */
function rotaryAt(g: v.Graph, config: LlamaDims, positions: v.Value): Rotary {
  const { rope_theta, max_seq_len } = config;
  const headDim = config.dim / config.n_heads;
  const half = headDim / 2;
  const table = (name: string, entry: (angle: number, firstHalf: boolean) => number) =>
    g.table(`rotary-${name}(${rope_theta},${max_seq_len},${headDim})`, [max_seq_len, headDim], () =>
      Float32Array.from({ length: max_seq_len * headDim }, (_, index) => {
        const place = index % headDim;
        // Rounded where the reference rounds: its angles are products of 32 bit floats.
        const frequency = Math.fround(rope_theta ** (-(place % half) / half));
        return entry(Math.fround(Math.floor(index / headDim) * frequency), place < half);
      }),
    );
  return {
    cosine: v.gather(g, table('cosine', Math.cos), positions),
    // The sign of the rotation is in the table: the first half subtracts, the second adds.
    sine: v.gather(
      g,
      table('sine', (angle, firstHalf) => (firstHalf ? -Math.sin(angle) : Math.sin(angle))),
      positions,
    ),
  };
}

/** Rotary embedding of half-split heads [heads, S, headDim] (Su et al. 2021): x cos + swapped halves * (-sin, sin). */
function rotate(g: v.Graph, x: v.Value, rotary: Rotary, headDim: number): v.Value {
  const [first, second] = v.split(g, x, -1, [headDim / 2, headDim / 2]) as [v.Value, v.Value];
  const swapped = v.concat(g, [second, first], -1);
  return v.add(g, v.multiply(g, x, rotary.cosine), v.multiply(g, swapped, rotary.sine));
}
