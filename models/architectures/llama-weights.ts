import { type Affine, fused } from '#models/checkpoint/affine';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { loraMerged, optionalTensor, rowsReordered, tensor } from '#models/checkpoint/weights';
import type { FloatSource } from '#models/graph/types';

/** The `language` component of checkpoint.json, as far as a graph depends on it. */
export interface LlamaDims {
  dim: number;
  n_layers: number;
  n_heads: number;
  vocab_size: number;
  /** Width of the feed-forward part. */
  hidden_dim: number;
  norm_eps: number;
  rope_theta: number;
  /** Longest sequence in tokens: rows of the rotary tables. */
  max_seq_len: number;
  /** Layers that one modality injects into; three times as many are injected in all. */
  query_layer: number;
}

/** The last 3 * query_layer layers: a third each for audio, image and video, in that order. */
export function injectedLayers(config: LlamaDims): { first: number; count: number } {
  const count = 3 * config.query_layer;
  return { first: config.n_layers - count, count };
}

/** One linear layer by its path, LoRA merged where there is one: W x + b + B A x = (W + B A) x + b. */
export function mergedAffine(reader: TensorReader, module: string, name: string): Affine {
  const weight = tensor(reader, `${module}.${name}.weight`);
  const down = `${module}.lora_${name}_l1.weight`;
  const up = `${module}.lora_${name}_l2.weight`;
  return {
    weight: reader.has(down) ? loraMerged(weight, tensor(reader, down), tensor(reader, up)) : weight,
    bias: optionalTensor(reader, `${module}.${name}.bias`),
  };
}

/**
 * Rows of a query or key matrix from Meta's order (the pair i of a head at 2i, 2i + 1) to half-split order (at i and
 * i + headDim / 2). The product of query and key doesn't see the order, so this is done once, while building, and
 * the graph rotates halves, which needs no strided access.
 */
export function halfSplitRows(heads: number, headDim: number): number[] {
  const half = headDim / 2;
  return Array.from({ length: heads * headDim }, (_, row) => {
    const head = Math.floor(row / headDim);
    const place = row % headDim;
    return head * headDim + (place < half ? 2 * place : 2 * (place - half) + 1);
  });
}

function halfSplit(affine: Affine, order: readonly number[]): Affine {
  return {
    weight: rowsReordered(affine.weight, 'half-split', order),
    bias: affine.bias && rowsReordered(affine.bias, 'half-split', order),
  };
}

/** Everything one layer of LLaMA is made of, ready for the graph. */
export interface LlamaLayer {
  attentionNorm: FloatSource;
  /** Query, key and value under each other, query and key in half-split order: [3 dim, dim]. */
  queryKeyValue: Affine;
  output: Affine;
  feedForwardNorm: FloatSource;
  /** w1 and w3 under each other: [2 hidden, dim]. */
  gateUp: Affine;
  down: Affine;
}

/** Layer `index` of the tensors below `llama.`. */
export function llamaLayer(llama: TensorReader, config: LlamaDims, index: number): LlamaLayer {
  const layer = llama.withPrefix(`layers.${index}.`);
  const order = halfSplitRows(config.n_heads, config.dim / config.n_heads);
  const attention = (name: string) => mergedAffine(layer, 'attention', name);
  const feedForward = (name: string) => mergedAffine(layer, 'feed_forward', name);
  return {
    attentionNorm: tensor(layer, 'attention_norm.weight'),
    queryKeyValue: fused([
      halfSplit(attention('wq'), order),
      halfSplit(attention('wk'), order),
      attention('wv'),
    ]),
    output: attention('wo'),
    feedForwardNorm: tensor(layer, 'ffn_norm.weight'),
    gateUp: fused([feedForward('w1'), feedForward('w3')]),
    down: feedForward('w2'),
  };
}
