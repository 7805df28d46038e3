import { codebookCount, type EncodecConfig } from '#models/architectures/encodec';
import type { MusicgenDecoderConfig } from '#models/architectures/musicgen';
import type { ProjectorConfig } from '#models/architectures/projector';
import type { T5Config } from '#models/architectures/t5';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { elementCount } from '#models/graph/types';

/** Numbers from centre - spread to centre + spread (Marsaglia's xorshift32: a model has hundreds of millions). */
function evenlySpread(count: number, seed: number, centre: number, spread: number): Float32Array {
  const numbers = new Float32Array(count);
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let index = 0; index < count; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    numbers[index] = centre + spread * (state / 0x80000000);
  }
  return numbers;
}

/**
 * A checkpoint that makes its numbers up when they are asked for: matrices of the scale 1 / sqrt(columns), norms
 * around one. The same name always has the same numbers, so a model of any size needs no file.
 */
export function randomReader(
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: number,
  prefix = '',
): TensorReader {
  const shape = (name: string): readonly number[] => {
    const found = shapes.get(prefix + name);
    if (!found) throw new Error(`no random tensor is called ${prefix + name}`);
    return found;
  };
  return {
    names: () =>
      [...shapes.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
    has: (name) => shapes.has(prefix + name),
    shape,
    fullName: (name) => prefix + name,
    read: async (name) => {
      const dims = shape(name);
      const own = [...shapes.keys()].indexOf(prefix + name);
      const matrix = dims.length >= 2;
      const spread = matrix ? Math.sqrt(3 / (dims.at(-1) as number)) : 0.2;
      const centre = name.includes('norm') && name.endsWith('weight') ? 1 : 0;
      return evenlySpread(elementCount(dims), seed * 100_003 + own, centre, spread);
    },
    withPrefix: (more) => randomReader(shapes, seed, prefix + more),
  };
}

/** Names and shapes of transformers' MusicgenForConditionalGeneration without its text encoder and codec. */
export function musicgenShapes(config: MusicgenDecoderConfig, textWidth: number): Map<string, number[]> {
  const { hidden_size: width, ffn_dim, vocab_size, num_codebooks, num_hidden_layers } = config;
  const shapes = new Map<string, number[]>();
  const norm = (name: string) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const inner = 'decoder.model.decoder';
  if (textWidth !== width) {
    shapes.set('enc_to_dec_proj.weight', [width, textWidth]).set('enc_to_dec_proj.bias', [width]);
  }
  for (let codebook = 0; codebook < num_codebooks; codebook++) {
    shapes.set(`${inner}.embed_tokens.${codebook}.weight`, [vocab_size + 1, width]);
    shapes.set(`decoder.lm_heads.${codebook}.weight`, [vocab_size, width]);
  }
  for (let index = 0; index < num_hidden_layers; index++) {
    const layer = `${inner}.layers.${index}`;
    for (const attention of ['self_attn', 'encoder_attn']) {
      for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
        shapes.set(`${layer}.${attention}.${part}.weight`, [width, width]);
      }
      norm(`${layer}.${attention}_layer_norm`);
    }
    norm(`${layer}.final_layer_norm`);
    shapes.set(`${layer}.fc1.weight`, [ffn_dim, width]).set(`${layer}.fc2.weight`, [width, ffn_dim]);
  }
  norm(`${inner}.layer_norm`);
  return shapes;
}

/** Names and shapes of transformers' EncodecModel with kernels of 7 at both ends and weight norm already taken in. */
export function encodecShapes(config: EncodecConfig): Map<string, number[]> {
  const { num_filters, hidden_size, num_residual_layers, residual_kernel_size: kernel } = config;
  const shapes = new Map<string, number[]>();
  const conv = (name: string, out: number, dims: number[]) =>
    shapes.set(`${name}.conv.weight`, dims).set(`${name}.conv.bias`, [out]);
  const residuals = (side: string, first: number, width: number) => {
    for (let index = first; index < first + num_residual_layers; index++) {
      const layer = `${side}.layers.${index}`;
      // Both published codecs and ours halve the width inside (compress 2).
      conv(`${layer}.block.1`, width / 2, [width / 2, width, kernel]);
      conv(`${layer}.block.3`, width, [width, width / 2, 1]);
      if (config.use_conv_shortcut) conv(`${layer}.shortcut`, width, [width, width, 1]);
    }
  };
  const lstm = (name: string, width: number) => {
    for (let index = 0; index < config.num_lstm_layers; index++) {
      for (const part of ['ih', 'hh']) {
        shapes.set(`${name}.lstm.weight_${part}_l${index}`, [4 * width, width]);
        shapes.set(`${name}.lstm.bias_${part}_l${index}`, [4 * width]);
      }
    }
  };
  const widest = num_filters * 2 ** config.upsampling_ratios.length;

  let width = num_filters;
  let layer = 1;
  conv('encoder.layers.0', width, [width, 1, 7]);
  for (const ratio of config.upsampling_ratios.toReversed()) {
    residuals('encoder', layer, width);
    layer += num_residual_layers + 1;
    conv(`encoder.layers.${layer}`, 2 * width, [2 * width, width, 2 * ratio]);
    width *= 2;
    layer += 1;
  }
  lstm(`encoder.layers.${layer}`, widest);
  conv(`encoder.layers.${layer + 2}`, hidden_size, [hidden_size, widest, 7]);

  conv('decoder.layers.0', widest, [widest, hidden_size, 7]);
  lstm('decoder.layers.1', widest);
  layer = 3;
  for (const ratio of config.upsampling_ratios) {
    conv(`decoder.layers.${layer}`, width / 2, [width, width / 2, 2 * ratio]);
    width /= 2;
    residuals('decoder', layer + 1, width);
    layer += num_residual_layers + 2;
  }
  conv(`decoder.layers.${layer}`, 1, [1, width, 7]);
  for (let index = 0; index < codebookCount(config); index++) {
    shapes.set(`quantizer.layers.${index}.codebook.embed`, [config.codebook_size, hidden_size]);
  }
  return shapes;
}

/** Names and shapes of transformers' T5EncoderModel. */
export function t5Shapes(config: T5Config): Map<string, number[]> {
  const { d_model, d_ff, num_heads } = config;
  const inner = num_heads * config.d_kv;
  const shapes = new Map<string, number[]>([
    ['shared.weight', [config.vocab_size, d_model]],
    ['encoder.final_layer_norm.weight', [d_model]],
  ]);
  for (let index = 0; index < config.num_layers; index++) {
    const block = `encoder.block.${index}.layer`;
    for (const part of ['q', 'k', 'v'])
      shapes.set(`${block}.0.SelfAttention.${part}.weight`, [inner, d_model]);
    shapes.set(`${block}.0.SelfAttention.o.weight`, [d_model, inner]);
    for (const gate of config.feed_forward_proj === 'relu' ? ['wi'] : ['wi_0', 'wi_1']) {
      shapes.set(`${block}.1.DenseReluDense.${gate}.weight`, [d_ff, d_model]);
    }
    shapes.set(`${block}.1.DenseReluDense.wo.weight`, [d_model, d_ff]);
    for (const part of [0, 1]) shapes.set(`${block}.${part}.layer_norm.weight`, [d_model]);
  }
  const bias = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
  return shapes.set(bias, [config.relative_attention_num_buckets, num_heads]);
}

/** Names and shapes of what the projector reads: itself and the language model's embeddings. */
export function projectorShapes(config: ProjectorConfig, vocabulary: number): Map<string, number[]> {
  const { in_dim, hidden_dim: width, out_dim, queries, feed_forward } = config;
  const root = 'output_projector';
  const shapes = new Map<string, number[]>([
    ['llama.tok_embeddings.weight', [vocabulary, in_dim]],
    [`${root}.query_embs`, [1, queries, width]],
  ]);
  const linear = (name: string, out: number, inner: number) =>
    shapes.set(`${root}.${name}.weight`, [out, inner]).set(`${root}.${name}.bias`, [out]);
  const norm = (name: string) =>
    shapes.set(`${root}.${name}.weight`, [width]).set(`${root}.${name}.bias`, [width]);
  const layer = (name: string, attentions: readonly string[]) => {
    for (const attention of attentions) {
      shapes.set(`${root}.${name}.${attention}.in_proj_weight`, [3 * width, width]);
      shapes.set(`${root}.${name}.${attention}.in_proj_bias`, [3 * width]);
      linear(`${name}.${attention}.out_proj`, width, width);
    }
    linear(`${name}.linear1`, feed_forward, width);
    linear(`${name}.linear2`, width, feed_forward);
    for (let index = 1; index <= attentions.length + 1; index++) norm(`${name}.norm${index}`);
  };
  linear('fc', width, in_dim);
  linear('model', out_dim, width);
  for (let index = 0; index < config.encoder_layers; index++) {
    layer(`tfm.encoder.layers.${index}`, ['self_attn']);
  }
  for (let index = 0; index < config.decoder_layers; index++) {
    layer(`tfm.decoder.layers.${index}`, ['self_attn', 'multihead_attn']);
  }
  norm('tfm.encoder.norm');
  norm('tfm.decoder.norm');
  return shapes;
}
