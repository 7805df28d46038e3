import type { BuildOptions } from '#models/architectures/llama';
import { injectedLayers, type LlamaDims, mergedAffine } from '#models/architectures/llama-weights';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { derived, tensor } from '#models/checkpoint/weights';
import { elementCount, type FloatSource } from '#models/graph/types';
import * as v from '#models/graph/verbs';

const MODALITIES = ['audio', 'image', 'video'] as const;

/** tanh(gate) of each head, repeated over the head's width: [1, dim]. */
function gateRow(gate: FloatSource, dim: number): FloatSource {
  const headDim = dim / elementCount(gate.dims);
  return derived(gate, `tanh-rows${headDim}`, [1, dim], (numbers) =>
    Float32Array.from({ length: dim }, (_, index) =>
      Math.tanh(numbers[Math.floor(index / headDim)] as number),
    ),
  );
}

/** Row `index` of the learned prefix: [1, dim]. */
function prefixRow(prefix: FloatSource, index: number, dim: number): FloatSource {
  return derived(prefix, `row${index}`, [1, dim], (numbers) => numbers.slice(index * dim, (index + 1) * dim));
}

/**
 * What the adapters add to LLaMA, once per request. Published models use a prefix of one vector per layer, and
 * attention to a single key is that key's value: what layer l adds right after its attention doesn't depend on the
 * token (LLaMA-Adapter, Zhang et al. 2023, eq. 5 to 7, at prefix length one):
 *
 *   (Wo + lora_wo) ( tanh(gate_l) per head * Wv (feature + prefix_l) )
 *
 * Wv without its LoRA; Wo's bias is counted in the ordinary path. audio, image, video [1, dim] each, zeros where
 * absent (the prefix alone remains) -> injection [injected layers, dim].
 */
export function buildInjection(reader: TensorReader, config: LlamaDims, options: BuildOptions = {}): v.Graph {
  const g = new v.Graph('injection', options);
  const { dim, query_layer } = config;
  const { first, count } = injectedLayers(config);
  const features = MODALITIES.map((name) => g.input(name, 'float32', [1, dim]));
  const prefix = tensor(reader, 'prefix_query.weight');
  const rows = Array.from({ length: count }, (_, index) =>
    g.scope(`layers.${first + index}`, () => {
      const layer = reader.withPrefix(`llama.layers.${first + index}.`);
      const feature = features[Math.floor(index / query_layer)] as v.Value;
      const key = v.add(g, feature, g.weight(prefixRow(prefix, index, dim)));
      const value = v.linear(g, key, tensor(layer, 'attention.wv.weight'));
      const gated = v.multiply(g, value, g.weight(gateRow(tensor(layer, 'attention.gate'), dim)));
      return v.linear(g, gated, mergedAffine(layer, 'attention', 'wo').weight);
    }),
  );
  g.output('injection', v.concat(g, rows, 0), 'float32', [count, dim]);
  return g;
}
