import { z } from 'zod';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { derived, scaled, tensor } from '#models/checkpoint/weights';
import type { WeightPrecision } from '#models/graph/types';
import * as v from '#models/graph/verbs';

/** The `projector` component of checkpoint.json. */
export const projectorConfigSchema = z.object({
  in_dim: z.number().int().positive(),
  hidden_dim: z.number().int().positive(),
  encoder_layers: z.number().int().positive(),
  decoder_layers: z.number().int().positive(),
  heads: z.number().int().positive(),
  feed_forward: z.number().int().positive(),
  queries: z.number().int().positive(),
  out_dim: z.number().int().positive(),
  /** What training multiplied its target by. */
  scale: z.number().positive().default(10),
});
export type ProjectorConfig = z.infer<typeof projectorConfigSchema>;

/** torch's nn.TransformerEncoderLayer and its siblings. */
const NORM_EPSILON = 1e-5;

/** Rows `start` to `end` of a matrix or a bias. */
function rows(source: v.FloatSource, start: number, end: number): v.FloatSource {
  const width = source.dims[1] ?? 1;
  const dims = [end - start, ...source.dims.slice(1)];
  return derived(source, `rows[${start}:${end}]`, dims, (numbers) =>
    numbers.slice(start * width, end * width),
  );
}

/** The rows of the embedding table that belong to the audio tokens, [1, tokens, width]. */
function audioTokenRows(table: v.FloatSource, tokens: readonly number[]): v.FloatSource {
  const width = table.dims[1] as number;
  return derived(table, `rows[${tokens.join(',')}]`, [1, tokens.length, width], (numbers) => {
    const picked = new Float32Array(tokens.length * width);
    tokens.forEach((token, index) => {
      picked.set(numbers.subarray(token * width, (token + 1) * width), index * width);
    });
    return picked;
  });
}

class ProjectorBuilder {
  constructor(
    readonly g: v.Graph,
    readonly reader: TensorReader,
    readonly config: ProjectorConfig,
  ) {}

  /** torch's nn.MultiheadAttention: queries from `x`, keys and values from `memory`. */
  attention(name: string, x: v.Value, memory: v.Value): v.Value {
    const { g, reader, config } = this;
    const { heads, hidden_dim: width } = config;
    const weight = tensor(reader, `${name}.in_proj_weight`);
    const bias = tensor(reader, `${name}.in_proj_bias`);
    const part = (input: v.Value, start: number, end: number) =>
      v.linear(g, input, rows(weight, start, end), { bias: rows(bias, start, end) });
    const apart = (value: v.Value) => v.splitHeads(g, value, heads, width / heads);
    const [key, value] = v.split(g, part(memory, width, 3 * width), -1, [width, width]) as [v.Value, v.Value];
    const attended = v.attend(g, apart(part(x, 0, width)), apart(key), apart(value), {
      scale: (width / heads) ** -0.5,
    });
    return this.linear(`${name}.out_proj`, v.joinHeads(g, attended, heads, width / heads));
  }

  linear(name: string, x: v.Value): v.Value {
    const { g, reader } = this;
    return v.linear(g, x, tensor(reader, `${name}.weight`), { bias: tensor(reader, `${name}.bias`) });
  }

  norm(name: string, x: v.Value): v.Value {
    const { g, reader } = this;
    return v.layerNorm(g, x, tensor(reader, `${name}.weight`), tensor(reader, `${name}.bias`), NORM_EPSILON);
  }

  feedForward(layer: string, x: v.Value): v.Value {
    return this.linear(`${layer}.linear2`, v.relu(this.g, this.linear(`${layer}.linear1`, x)));
  }

  /** Self-attention and feed-forward, each followed by the norm of its sum with what went in (post-norm). */
  encoderLayer(layer: string, x: v.Value): v.Value {
    const { g } = this;
    return g.scope(layer, () => {
      const mixed = this.norm(`${layer}.norm1`, v.add(g, x, this.attention(`${layer}.self_attn`, x, x)));
      return this.norm(`${layer}.norm2`, v.add(g, mixed, this.feedForward(layer, mixed)));
    });
  }

  decoderLayer(layer: string, x: v.Value, memory: v.Value): v.Value {
    const { g } = this;
    return g.scope(layer, () => {
      const own = this.norm(`${layer}.norm1`, v.add(g, x, this.attention(`${layer}.self_attn`, x, x)));
      const seen = this.attention(`${layer}.multihead_attn`, own, memory);
      const mixed = this.norm(`${layer}.norm2`, v.add(g, own, seen));
      return this.norm(`${layer}.norm3`, v.add(g, mixed, this.feedForward(layer, mixed)));
    });
  }
}

/**
 * The output projector: `hidden` [1, audio tokens, in_dim] (the states that predict the audio tokens) ->
 * `condition` [1, queries, out_dim] for the music decoder.
 *
 * The tokens' own embeddings are added and the training target's scale is taken off inside. `reader` stands at the
 * root of the checkpoint (`output_projector.*`, `llama.tok_embeddings.weight`). torch's nn.Transformer: post-norm,
 * ReLU, no positions, no masks, a norm after encoder and decoder each.
 */
export function buildProjector(
  reader: TensorReader,
  config: ProjectorConfig,
  audioTokens: readonly number[],
  options: { precision?: WeightPrecision } = {},
): v.Graph {
  const g = new v.Graph('projector', options);
  const inner = reader.withPrefix('output_projector.');
  const b = new ProjectorBuilder(g, inner, config);
  const hidden = g.input('hidden', 'float32', [1, audioTokens.length, config.in_dim]);
  const embeddings = audioTokenRows(tensor(reader, 'llama.tok_embeddings.weight'), audioTokens);
  let memory = b.linear('fc', v.add(g, hidden, g.weight(embeddings)));
  for (let index = 0; index < config.encoder_layers; index++) {
    memory = b.encoderLayer(`tfm.encoder.layers.${index}`, memory);
  }
  memory = b.norm('tfm.encoder.norm', memory);
  let x = g.weight(tensor(inner, 'query_embs'));
  for (let index = 0; index < config.decoder_layers; index++) {
    x = b.decoderLayer(`tfm.decoder.layers.${index}`, x, memory);
  }
  const condition = v.linear(
    g,
    b.norm('tfm.decoder.norm', x),
    scaled(tensor(inner, 'model.weight'), 1 / config.scale),
    { bias: scaled(tensor(inner, 'model.bias'), 1 / config.scale) },
  );
  g.output('condition', condition, 'float32', [1, config.queries, config.out_dim]);
  return g;
}
