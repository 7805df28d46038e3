import { z } from 'zod';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { optionalTensor, stacked, tensor } from '#models/checkpoint/weights';
import type { WeightPrecision } from '#models/graph/types';
import * as v from '#models/graph/verbs';

/** The subset of transformers' MusicgenDecoderConfig that the graphs need. */
export const musicgenDecoderConfigSchema = z.object({
  /** Entries of a codebook; the id of the same number is the padding of the delay pattern. */
  vocab_size: z.number().int().positive(),
  hidden_size: z.number().int().positive().multipleOf(2),
  num_hidden_layers: z.number().int().positive(),
  num_attention_heads: z.number().int().positive(),
  ffn_dim: z.number().int().positive(),
  /** Over all channels: a stereo model has its left and right codebooks interleaved. */
  num_codebooks: z.number().int().positive(),
  audio_channels: z.union([z.literal(1), z.literal(2)]).default(1),
  activation_function: z.enum(['gelu', 'gelu_new', 'relu']).default('gelu'),
  /** Positions are sinusoids of angular frequencies from 1 a step down to 1 / this. transformers has no other. */
  position_base: z.number().gt(1).default(10_000),
});
export type MusicgenDecoderConfig = z.infer<typeof musicgenDecoderConfigSchema>;

interface BuildOptions {
  precision?: WeightPrecision;
}

/** torch's nn.LayerNorm. */
const NORM_EPSILON = 1e-5;
const MASKED = 1e9;

/** What attends to itself: the whole prefix (prefill) or one row over the cache (step). */
type SelfAttention = (query: v.Value, key: v.Value, value: v.Value, layer: number) => v.Value;

class MusicgenBuilder {
  readonly heads: number;
  readonly headDim: number;
  readonly decoder: TensorReader;

  constructor(
    readonly g: v.Graph,
    readonly reader: TensorReader,
    readonly config: MusicgenDecoderConfig,
    /** Whether x has one position only: heads then come apart without moving anything. */
    readonly single = false,
  ) {
    this.heads = config.num_attention_heads;
    this.headDim = config.hidden_size / this.heads;
    this.decoder = reader.withPrefix('decoder.model.decoder.');
  }

  get scale(): number {
    return this.headDim ** -0.5;
  }

  norm(name: string, x: v.Value): v.Value {
    const { g, decoder } = this;
    return v.layerNorm(
      g,
      x,
      tensor(decoder, `${name}.weight`),
      tensor(decoder, `${name}.bias`),
      NORM_EPSILON,
    );
  }

  /** The named matrices as one product (no biases anywhere in the decoder). */
  linear(x: v.Value, ...names: string[]): v.Value {
    const weights = names.map((name) => tensor(this.decoder, `${name}.weight`));
    return v.linear(this.g, x, stacked(weights));
  }

  /**
   * Sum of the codebooks' embeddings, codes [B, K, S] -> [B, S, D]: one table under the other, each codebook's ids
   * moved to its own rows.
   */
  embed(codes: v.Value): v.Value {
    const { g, config } = this;
    const codebooks = Array.from({ length: config.num_codebooks }, (_, index) => index);
    const table = stacked(codebooks.map((index) => tensor(this.decoder, `embed_tokens.${index}.weight`)));
    const offsets = g.weight({
      key: `codebook-offsets[${config.num_codebooks}x${config.vocab_size + 1}]`,
      type: 'int64',
      dims: [1, config.num_codebooks, 1],
      load: async () => BigInt64Array.from(codebooks, (index) => BigInt(index * (config.vocab_size + 1))),
    });
    return v.sum(g, v.embedding(g, v.add(g, codes, offsets), table), [1], false);
  }

  /** Sinusoids of positions int64 [S] -> [S, D]: all cosines, then all sines (tensor2tensor's layout). */
  positions(positions: v.Value): v.Value {
    const { g, config } = this;
    const half = config.hidden_size / 2;
    const table = g.table(`sinusoid-frequencies[${half}/${config.position_base}]`, [1, half], () => {
      const step = Math.fround(-Math.log(config.position_base) / (half - 1));
      return Float32Array.from({ length: half }, (_, index) => Math.exp(Math.fround(index * step)));
    });
    const angles = v.multiply(g, v.unsqueeze(g, v.cast(g, positions, 'float32'), [1]), table);
    return v.concat(g, [g.op('Cos', [angles]), g.op('Sin', [angles])], -1);
  }

  /** Additive form of a condition mask [B, Lc] of ones and zeros: [B, 1, 1, Lc]. */
  additiveMask(mask: v.Value): v.Value {
    const { g } = this;
    return v.unsqueeze(g, v.scale(g, v.subtract(g, mask, g.float(1)), MASKED), [1, 2]);
  }

  /** Inputs `cross_key.l`, `cross_value.l` [B, H, Lc, Dh] of every layer. */
  crossInputs(): { key: v.Value; value: v.Value }[] {
    const dims = ['B', this.heads, 'Lc', this.headDim];
    return this.everyLayer((layer) => ({
      key: this.g.input(`cross_key.${layer}`, 'float32', dims),
      value: this.g.input(`cross_value.${layer}`, 'float32', dims),
    }));
  }

  /** [B, S, D] -> [B, H, S, Dh]. */
  apart(x: v.Value): v.Value {
    const { g, heads, headDim } = this;
    return this.single ? v.reshape(g, x, [0, heads, 1, headDim]) : v.splitHeads(g, x, heads, headDim);
  }

  /** [B, H, S, Dh] -> [B, S, D]. */
  joined(x: v.Value): v.Value {
    const { g, heads, headDim } = this;
    return this.single ? v.reshape(g, x, [0, 1, heads * headDim]) : v.joinHeads(g, x, heads, headDim);
  }

  everyLayer<T>(make: (layer: number) => T): T[] {
    return Array.from({ length: this.config.num_hidden_layers }, (_, layer) => make(layer));
  }

  /** One pre-norm layer: self-attention, attention over the condition, feed-forward. x [B, S, D]. */
  layer(
    x: v.Value,
    index: number,
    selfAttention: SelfAttention,
    cross: { key: v.Value; value: v.Value; mask: v.Value },
  ): v.Value {
    const { g, config } = this;
    const name = `layers.${index}`;
    const width = config.hidden_size;
    return g.scope(name, () => {
      const own = ['q', 'k', 'v'].map((part) => `${name}.self_attn.${part}_proj`);
      const fused = this.linear(this.norm(`${name}.self_attn_layer_norm`, x), ...own);
      const [query, key, value] = v
        .split(g, fused, -1, [width, width, width])
        .map((part) => this.apart(part)) as [v.Value, v.Value, v.Value];
      const attended = this.joined(selfAttention(query, key, value, index));
      const mixed = v.add(g, x, this.linear(attended, `${name}.self_attn.out_proj`));

      const normed = this.norm(`${name}.encoder_attn_layer_norm`, mixed);
      const asked = this.apart(this.linear(normed, `${name}.encoder_attn.q_proj`));
      const told = v.attend(g, asked, cross.key, cross.value, { mask: cross.mask, scale: this.scale });
      const informed = v.add(g, mixed, this.linear(this.joined(told), `${name}.encoder_attn.out_proj`));

      const inner = this.linear(this.norm(`${name}.final_layer_norm`, informed), `${name}.fc1`);
      const active = v.activation(g, config.activation_function, inner);
      return v.add(g, informed, this.linear(active, `${name}.fc2`));
    });
  }

  /** Logits of the one position of x [B, 1, D]: [B, K, card]. In a 4 bit graph the heads keep 8 bits. */
  logits(x: v.Value): v.Value {
    const { g, config } = this;
    const heads = Array.from({ length: config.num_codebooks }, (_, index) =>
      tensor(this.reader, `decoder.lm_heads.${index}.weight`),
    );
    const precision = g.precision === 'int4' ? 'int8' : g.precision;
    const scores = v.linear(g, this.norm('layer_norm', x), stacked(heads), { precision });
    return v.reshape(g, scores, [0, config.num_codebooks, config.vocab_size]);
  }
}

/**
 * What every step needs of the condition, computed once a request: `condition` [B, Lc, textWidth],
 * `condition_mask` [B, Lc] (ones and zeros) -> `cross_key.l`, `cross_value.l` [B, H, Lc, Dh] of every layer.
 *
 * The projection to the decoder's width (absent where both widths agree) is masked to zero as in transformers, so
 * a prompt of zeros with a mask of zeros is the null condition of guidance. `reader` stands where transformers'
 * MusicgenForConditionalGeneration does.
 */
export function buildMusicCondition(
  reader: TensorReader,
  config: MusicgenDecoderConfig,
  textWidth: number,
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('music-condition', options);
  const b = new MusicgenBuilder(g, reader, config);
  const condition = g.input('condition', 'float32', ['B', 'Lc', textWidth]);
  const mask = g.input('condition_mask', 'float32', ['B', 'Lc']);
  const bias = optionalTensor(reader, 'enc_to_dec_proj.bias');
  const projected = bias
    ? v.linear(g, condition, tensor(reader, 'enc_to_dec_proj.weight'), { bias })
    : condition;
  const seen = v.multiply(g, projected, v.unsqueeze(g, mask, [2]));
  const width = config.hidden_size;
  b.everyLayer((layer) => {
    const name = `layers.${layer}.encoder_attn`;
    const both = b.linear(seen, `${name}.k_proj`, `${name}.v_proj`);
    const parts = v.split(g, both, -1, [width, width]);
    for (const [index, kind] of ['key', 'value'].entries()) {
      const rows = b.apart(parts[index] as v.Value);
      g.output(`cross_${kind}.${layer}`, rows, 'float32', ['B', b.heads, 'Lc', b.headDim]);
    }
  });
  return g;
}

/**
 * The delayed codes so far in one run: `codes` int64 [B, K, S], `condition_mask`, `cross_key.l`, `cross_value.l` ->
 * `logits` [B, K, card] of the last position, `keys` and `values` [L, B, H, S, Dh] to fill the cache with.
 */
export function buildMusicPrefill(
  reader: TensorReader,
  config: MusicgenDecoderConfig,
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('music-prefill', options);
  const b = new MusicgenBuilder(g, reader, config);
  const codes = g.input('codes', 'int64', ['B', config.num_codebooks, 'S']);
  const mask = b.additiveMask(g.input('condition_mask', 'float32', ['B', 'Lc']));
  const cross = b.crossInputs();
  const positions = v.positionsOf(g, codes, 2);
  const causal = v.causalMask(g, positions);
  const keys: v.Value[] = [];
  const values: v.Value[] = [];
  const whole: SelfAttention = (query, key, value) => {
    keys.push(v.unsqueeze(g, key, [0]));
    values.push(v.unsqueeze(g, value, [0]));
    return v.attend(g, query, key, value, { mask: causal, scale: b.scale });
  };
  let x = v.add(g, b.embed(codes), b.positions(positions));
  for (const [index, { key, value }] of cross.entries()) x = b.layer(x, index, whole, { key, value, mask });
  const dims = [config.num_hidden_layers, 'B', b.heads, 'S', b.headDim];
  const logits = b.logits(v.sliceFrom(g, x, 1, -1));
  g.output('logits', logits, 'float32', ['B', config.num_codebooks, config.vocab_size]);
  g.output('keys', v.concat(g, keys, 0), 'float32', dims);
  g.output('values', v.concat(g, values, 0), 'float32', dims);
  return g;
}

/**
 * One step: `codes` int64 [B, K] (the newest delayed column), `position` int64 [1] (its place, from 0), `mask` [C]
 * (0 where the cache is filled, a large negative number elsewhere), `key_cache.l`, `value_cache.l` [B, H, C, Dh],
 * `condition_mask`, `cross_key.l`, `cross_value.l` -> `logits` [B, K, card], `new_keys`, `new_values` [L, B, H, Dh].
 *
 * The cache belongs to the caller, who writes the new rows to place `position` of it (split attention).
 */
export function buildMusicStep(
  reader: TensorReader,
  config: MusicgenDecoderConfig,
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('music-step', options);
  const b = new MusicgenBuilder(g, reader, config, true);
  const codes = g.input('codes', 'int64', ['B', config.num_codebooks]);
  const position = g.input('position', 'int64', [1]);
  const cacheMask = g.input('mask', 'float32', ['C']);
  const cacheDims = ['B', b.heads, 'C', b.headDim];
  const caches = b.everyLayer((layer) => ({
    keyCache: g.input(`key_cache.${layer}`, 'float32', cacheDims),
    valueCache: g.input(`value_cache.${layer}`, 'float32', cacheDims),
  }));
  const mask = b.additiveMask(g.input('condition_mask', 'float32', ['B', 'Lc']));
  const cross = b.crossInputs();
  const keys: v.Value[] = [];
  const values: v.Value[] = [];
  const overCache: SelfAttention = (query, key, value, layer) => {
    keys.push(v.reshape(g, key, [1, -1, b.heads, b.headDim]));
    values.push(v.reshape(g, value, [1, -1, b.heads, b.headDim]));
    const cache = caches[layer] as { keyCache: v.Value; valueCache: v.Value };
    return v.splitAttention(g, { query, key, value, ...cache, mask: cacheMask }, { scale: b.scale });
  };
  let x = v.add(g, b.embed(v.unsqueeze(g, codes, [2])), b.positions(position));
  for (const [index, { key, value }] of cross.entries())
    x = b.layer(x, index, overCache, { key, value, mask });
  const dims = [config.num_hidden_layers, 'B', b.heads, b.headDim];
  g.output('logits', b.logits(x), 'float32', ['B', config.num_codebooks, config.vocab_size]);
  g.output('new_keys', v.concat(g, keys, 0), 'float32', dims);
  g.output('new_values', v.concat(g, values, 0), 'float32', dims);
  return g;
}
