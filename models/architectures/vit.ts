import { tokensAdapter } from '#models/architectures/adapters';
import type { BuildOptions } from '#models/architectures/llama';
import { feedForward, selfAttention } from '#models/architectures/transformer';
import { affineOf, spelling } from '#models/checkpoint/affine';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { tensor } from '#models/checkpoint/weights';
import * as v from '#models/graph/verbs';

/** What ViT and ViViT have in common; the names are transformers' ViTConfig's. */
export interface VisionDims {
  image_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: string;
  layer_norm_eps: number;
}

/** The `image_encoder` component of checkpoint.json. */
export interface VitDims extends VisionDims {
  patch_size: number;
}

/**
 * ViT (Dosovitskiy et al. 2020) and the image adapter: pixels [1, 3, S, S] (mean and deviation applied) -> feature
 * [1, dim].
 */
export function buildVit(
  reader: TensorReader,
  config: VitDims & { dim: number },
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('image-encoder', options);
  const vit = reader.withPrefix('vit_model.');
  const { image_size, patch_size } = config;
  const pixels = g.input('pixels', 'float32', [1, 3, image_size, image_size]);
  const patches = g.scope('patches', () => patchEmbeddings(g, vit, pixels, [patch_size, patch_size]));
  const states = visionEncoder(g, vit, config, patches);
  g.output('feature', tokensAdapter(g, reader, 'iu_vit', states), 'float32', [1, config.dim]);
  return g;
}

/** A convolution whose stride is its kernel, over pictures or clips: [1, 3, ...space] -> [1, patches, width]. */
export function patchEmbeddings(
  g: v.Graph,
  reader: TensorReader,
  pixels: v.Value,
  kernel: readonly number[],
): v.Value {
  const name = 'embeddings.patch_embeddings.projection';
  const weight = tensor(reader, `${name}.weight`);
  const convolved = g.op('Conv', [pixels, g.weight(weight), g.weight(tensor(reader, `${name}.bias`))], {
    attributes: { kernel_shape: kernel, strides: kernel },
  });
  return v.transpose(g, v.reshape(g, convolved, [0, weight.dims[0] as number, -1]), [0, 2, 1]);
}

/** Patches [1, patches, width] -> class token first, positions added, pre-norm layers, final norm. */
export function visionEncoder(
  g: v.Graph,
  reader: TensorReader,
  config: VisionDims,
  patches: v.Value,
): v.Value {
  const tokens = v.concat(g, [g.weight(tensor(reader, 'embeddings.cls_token')), patches], 1);
  let x = v.add(g, tokens, g.weight(tensor(reader, 'embeddings.position_embeddings')));
  for (let index = 0; index < config.num_hidden_layers; index++) {
    x = g.scope(`layers.${index}`, () => visionLayer(g, layerReader(reader, index), config, x));
  }
  return norm(g, reader, 'layernorm', x, config.layer_norm_eps);
}

/** transformers 5 says `layers.N`, files written before it `encoder.layer.N`. */
function layerReader(reader: TensorReader, index: number): TensorReader {
  const names = [`layers.${index}.`, `encoder.layer.${index}.`];
  return reader.withPrefix(spelling(reader, names, 'layernorm_before.weight'));
}

function norm(g: v.Graph, reader: TensorReader, name: string, x: v.Value, epsilon: number): v.Value {
  return v.layerNorm(g, x, tensor(reader, `${name}.weight`), tensor(reader, `${name}.bias`), epsilon);
}

function visionLayer(g: v.Graph, reader: TensorReader, config: VisionDims, x: v.Value): v.Value {
  const { layer_norm_eps, num_attention_heads, hidden_act } = config;
  const named = (...names: string[]) => affineOf(reader, spelling(reader, names));
  const attention = {
    query: named('attention.q_proj', 'attention.attention.query'),
    key: named('attention.k_proj', 'attention.attention.key'),
    value: named('attention.v_proj', 'attention.attention.value'),
    output: named('attention.o_proj', 'attention.output.dense'),
    heads: num_attention_heads,
  };
  const up = named('mlp.fc1', 'intermediate.dense');
  const down = named('mlp.fc2', 'output.dense');
  const mixed = v.add(
    g,
    x,
    selfAttention(g, norm(g, reader, 'layernorm_before', x, layer_norm_eps), attention),
  );
  const normed = norm(g, reader, 'layernorm_after', mixed, layer_norm_eps);
  return v.add(g, mixed, feedForward(g, normed, up, down, hidden_act));
}
