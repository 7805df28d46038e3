import type { MusicgenDecoderConfig } from '#models/architectures/musicgen';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { elementCount } from '#models/graph/types';
import { randomFloats } from './compare.js';

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
      const numbers = randomFloats(elementCount(dims), seed * 100_003 + own);
      if (dims.length >= 2) {
        const factor = Math.sqrt(3 / (dims.at(-1) as number));
        return numbers.map((number) => number * factor);
      }
      const centre = name.includes('norm') && name.endsWith('weight') ? 1 : 0;
      return numbers.map((number) => centre + number * 0.2);
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
