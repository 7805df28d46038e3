import { z } from 'zod';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { stacked, tensor } from '#models/checkpoint/weights';
import type { WeightPrecision } from '#models/graph/types';
import * as v from '#models/graph/verbs';

/** The subset of transformers' T5Config that an encoder needs. */
export const t5ConfigSchema = z.object({
  vocab_size: z.number().int().positive(),
  d_model: z.number().int().positive(),
  d_kv: z.number().int().positive(),
  d_ff: z.number().int().positive(),
  num_layers: z.number().int().positive(),
  num_heads: z.number().int().positive(),
  relative_attention_num_buckets: z.number().int().positive().default(32),
  relative_attention_max_distance: z.number().int().positive().default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  /** relu: the original T5; gated-gelu: T5 v1.1 and Flan, with the tanh form of GELU. */
  feed_forward_proj: z.enum(['relu', 'gated-gelu']).default('relu'),
});
export type T5Config = z.infer<typeof t5ConfigSchema>;

/**
 * Bucket of the distance from a query to a key, both directions: half of the buckets for keys that come later; of
 * each half the first half counts single steps, the rest grows with the logarithm up to `maxDistance`. Rounded as
 * in 32 bit, since a distance on a boundary must fall on the same side as in training.
 * Source: Raffel et al. 2020, section 2.1; transformers' T5Attention.
 */
export function relativeBucket(distance: number, buckets: number, maxDistance: number): number {
  const half = Math.floor(buckets / 2);
  const offset = distance > 0 ? half : 0;
  const steps = Math.abs(distance);
  const exact = Math.floor(half / 2);
  if (steps < exact) return offset + steps;
  const f = Math.fround;
  const ratio = f(f(Math.log(f(steps / exact))) / f(Math.log(maxDistance / exact)));
  return offset + Math.min(half - 1, exact + Math.trunc(f(ratio * (half - exact))));
}

/** Learned bias of every distance from -maxDistance to maxDistance: [2 maxDistance + 1, heads]. */
function biasByDistance(reader: TensorReader, config: T5Config): v.FloatSource {
  const buckets = tensor(reader, 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight');
  const reach = config.relative_attention_max_distance;
  const heads = config.num_heads;
  return {
    key: `${buckets.key}:distances`,
    type: 'float32',
    dims: [2 * reach + 1, heads],
    load: async () => {
      const learned = await buckets.load();
      const table = new Float32Array((2 * reach + 1) * heads);
      for (let distance = -reach; distance <= reach; distance++) {
        const bucket = relativeBucket(distance, config.relative_attention_num_buckets, reach);
        table.set(learned.subarray(bucket * heads, (bucket + 1) * heads), (distance + reach) * heads);
      }
      return table;
    },
  };
}

/** Bias of every pair of positions, [1, heads, S, S]: distances beyond the reach count as the reach. */
function positionBias(g: v.Graph, ids: v.Value, reader: TensorReader, config: T5Config): v.Value {
  const reach = config.relative_attention_max_distance;
  const positions = v.positionsOf(g, ids, 1);
  const distance = v.subtract(g, v.unsqueeze(g, positions, [0]), v.unsqueeze(g, positions, [1]));
  const clipped = g.op('Clip', [distance, g.int(-reach), g.int(reach)]);
  const rows = v.add(g, clipped, g.int(reach));
  const bias = v.gather(g, g.weight(biasByDistance(reader, config)), rows); // [S, S, heads]
  return v.unsqueeze(g, v.transpose(g, bias, [2, 0, 1]), [0]);
}

function feedForward(g: v.Graph, x: v.Value, reader: TensorReader, config: T5Config): v.Value {
  const weight = (name: string) => tensor(reader, `DenseReluDense.${name}.weight`);
  if (config.feed_forward_proj === 'relu') {
    return v.linear(g, v.relu(g, v.linear(g, x, weight('wi'))), weight('wo'));
  }
  const both = v.linear(g, x, stacked([weight('wi_0'), weight('wi_1')]));
  const [gate, linear] = v.split(g, both, -1, [config.d_ff, config.d_ff]) as [v.Value, v.Value];
  return v.linear(g, v.multiply(g, v.geluTanh(g, gate), linear), weight('wo'));
}

/**
 * T5's encoder: `input_ids` int64 [1, S] -> `condition` [1, S, d_model].
 *
 * `reader` stands where transformers' T5EncoderModel does (`shared.weight`, `encoder.block.0...`). Scores are not
 * scaled (the training folds that into the weights), norms only scale, and the relative bias of the first block
 * serves all.
 */
export function buildTextEncoder(
  reader: TensorReader,
  config: T5Config,
  options: { precision?: WeightPrecision } = {},
): v.Graph {
  const g = new v.Graph('text-encoder', options);
  const { d_model, d_kv, num_heads, layer_norm_epsilon: epsilon } = config;
  const inner = num_heads * d_kv;
  const ids = g.input('input_ids', 'int64', [1, 'S']);
  const table = reader.has('shared.weight') ? 'shared.weight' : 'encoder.embed_tokens.weight';
  let x = v.embedding(g, ids, tensor(reader, table));
  const bias = g.scope('bias', () => positionBias(g, ids, reader, config));
  for (let index = 0; index < config.num_layers; index++) {
    x = g.scope(`block.${index}`, () => {
      const [first, second] = [0, 1].map((part) =>
        reader.withPrefix(`encoder.block.${index}.layer.${part}.`),
      ) as [TensorReader, TensorReader];
      const projection = (name: string) => tensor(first, `SelfAttention.${name}.weight`);
      const normed = v.rmsNorm(g, x, tensor(first, 'layer_norm.weight'), epsilon);
      const fused = v.linear(g, normed, stacked([projection('q'), projection('k'), projection('v')]));
      const [query, key, value] = v
        .split(g, fused, -1, [inner, inner, inner])
        .map((part) => v.splitHeads(g, part, num_heads, d_kv)) as [v.Value, v.Value, v.Value];
      const attended = v.joinHeads(
        g,
        v.attend(g, query, key, value, { scale: 1, mask: bias }),
        num_heads,
        d_kv,
      );
      const mixed = v.add(g, x, v.linear(g, attended, projection('o')));
      const again = v.rmsNorm(g, mixed, tensor(second, 'layer_norm.weight'), epsilon);
      return v.add(g, mixed, feedForward(g, again, second, config));
    });
  }
  const condition = v.rmsNorm(g, x, tensor(reader, 'encoder.final_layer_norm.weight'), epsilon);
  g.output('condition', condition, 'float32', [1, 'S', d_model]);
  return g;
}
