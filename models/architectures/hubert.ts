import { mixLayers, readsAudioInTime } from '#models/architectures/adapters';
import type { BuildOptions } from '#models/architectures/llama';
import { feedForward, selfAttention } from '#models/architectures/transformer';
import { affineOf } from '#models/checkpoint/affine';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { optionalTensor, tensor, weightNormed } from '#models/checkpoint/weights';
import * as v from '#models/graph/verbs';

/** The `audio_encoder` component of checkpoint.json: transformers' HubertConfig, as far as it matters here. */
export interface HubertDims {
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  conv_kernel: readonly number[];
  conv_stride: readonly number[];
  feat_extract_norm: 'layer' | 'group';
  feat_extract_activation: string;
  feat_proj_layer_norm: boolean;
  do_stable_layer_norm: boolean;
  num_conv_pos_embeddings: number;
  num_conv_pos_embedding_groups: number;
  hidden_act: string;
  layer_norm_eps: number;
  /**
   * Whether the last hidden state is the one after the final norm ("stable" layers only): true in transformers 4 and
   * so in everything made from published MERT, false (the default) in transformers 5.
   */
  tie_last_hidden_states?: boolean | undefined;
}

/** Norms of the convolutions keep torch's default; `layer_norm_eps` is for the transformer alone. */
const CONVOLUTION_EPSILON = 1e-5;

/**
 * HuBERT (Hsu et al. 2021), which is MERT's shape (Li et al. 2023), with the audio adapter's mixing at its end:
 * waveform [1, N] (zero mean, unit variance) -> frames [1, T, D], all hidden states mixed by the adapter's Conv1d
 * and, for MuMu-LLaMA, L2-normalised per frame. Mixing inside keeps layers + 1 states from leaving the graph.
 */
export function buildHubert(reader: TensorReader, config: HubertDims, options: BuildOptions = {}): v.Graph {
  const g = new v.Graph('audio-encoder', options);
  const hubert = reader.withPrefix('mert_model.');
  const waveform = g.input('waveform', 'float32', [1, 'N']);
  const features = g.scope('feature_extractor', () =>
    featureExtractor(g, hubert, config, v.unsqueeze(g, waveform, [1])),
  );
  const projected = g.scope('feature_projection', () => projection(g, hubert, config, features));
  const states = g.scope('encoder', () => encoder(g, hubert.withPrefix('encoder.'), config, projected));
  const mixed = g.scope('adapter', () => {
    const sum = mixLayers(g, reader, states);
    return readsAudioInTime(reader) ? v.l2Normalise(g, sum) : sum;
  });
  g.output('frames', mixed, 'float32', [1, 'T', config.hidden_size]);
  return g;
}

function norm(g: v.Graph, reader: TensorReader, name: string, x: v.Value, epsilon: number): v.Value {
  return v.layerNorm(g, x, tensor(reader, `${name}.weight`), tensor(reader, `${name}.bias`), epsilon);
}

/** Waveform [1, 1, N] -> [1, channels, T]. Group norm stands after the first convolution only, layer norm after each. */
function featureExtractor(g: v.Graph, reader: TensorReader, config: HubertDims, waveform: v.Value): v.Value {
  let x = waveform;
  config.conv_stride.forEach((stride, index) => {
    const name = `feature_extractor.conv_layers.${index}`;
    x = g.scope(`conv_layers.${index}`, () => {
      const bias = optionalTensor(reader, `${name}.conv.bias`);
      const convolved = v.conv1d(g, x, tensor(reader, `${name}.conv.weight`), { stride, bias });
      return v.activation(
        g,
        config.feat_extract_activation,
        convolutionNorm(g, reader, config, index, convolved),
      );
    });
  });
  return x;
}

function convolutionNorm(
  g: v.Graph,
  reader: TensorReader,
  config: HubertDims,
  index: number,
  x: v.Value,
): v.Value {
  const name = `feature_extractor.conv_layers.${index}.layer_norm`;
  if (config.feat_extract_norm === 'layer') {
    // Over channels: [1, channels, T] -> [1, T, channels] and back.
    const swapped = v.transpose(g, x, [0, 2, 1]);
    return v.transpose(g, norm(g, reader, name, swapped, CONVOLUTION_EPSILON), [0, 2, 1]);
  }
  if (index > 0) return x;
  // As many groups as channels: every channel over its own time axis.
  const weight = tensor(reader, `${name}.weight`);
  return v.channelNorm(g, x, weight, tensor(reader, `${name}.bias`), CONVOLUTION_EPSILON);
}

/** [1, channels, T] -> [1, T, D] */
function projection(g: v.Graph, reader: TensorReader, config: HubertDims, features: v.Value): v.Value {
  const swapped = v.transpose(g, features, [0, 2, 1]);
  const normed = config.feat_proj_layer_norm
    ? norm(g, reader, 'feature_projection.layer_norm', swapped, config.layer_norm_eps)
    : swapped;
  return v.affine(g, normed, affineOf(reader, 'feature_projection.projection'));
}

/**
 * Relative positions by a grouped convolution under weight norm (over the kernel's axis). It is padded by half its
 * kernel on both sides; an even kernel then makes one frame too many, and the last is dropped: so the end is padded
 * by one less.
 */
function positionalConvolution(g: v.Graph, reader: TensorReader, config: HubertDims, x: v.Value): v.Value {
  const half = Math.floor(config.num_conv_pos_embeddings / 2);
  const trimmed = config.num_conv_pos_embeddings % 2 === 0 ? 1 : 0;
  return g.scope('pos_conv_embed', () => {
    const convolved = v.conv1d(
      g,
      v.transpose(g, x, [0, 2, 1]),
      weightNormed(reader, 'pos_conv_embed.conv', 2),
      {
        bias: tensor(reader, 'pos_conv_embed.conv.bias'),
        groups: config.num_conv_pos_embedding_groups,
        padding: [half, half - trimmed],
      },
    );
    return v.transpose(g, v.activation(g, config.feat_extract_activation, convolved), [0, 2, 1]);
  });
}

/**
 * Frames [1, T, D] -> all hidden states, the input of the first layer included. "Stable" layers norm before each part
 * (and once at the end, see `tie_last_hidden_states`); the others norm after each part, and before the first layer.
 */
function encoder(g: v.Graph, reader: TensorReader, config: HubertDims, frames: v.Value): v.Value[] {
  const epsilon = config.layer_norm_eps;
  const stable = config.do_stable_layer_norm;
  const positioned = v.add(g, frames, positionalConvolution(g, reader, config, frames));
  let x = stable ? positioned : norm(g, reader, 'layer_norm', positioned, epsilon);
  const states = [x];
  for (let index = 0; index < config.num_hidden_layers; index++) {
    const layer = reader.withPrefix(`layers.${index}.`);
    x = g.scope(`layers.${index}`, () => encoderLayer(g, layer, config, x));
    states.push(x);
  }
  if (stable && config.tie_last_hidden_states)
    states[states.length - 1] = norm(g, reader, 'layer_norm', x, epsilon);
  return states;
}

function encoderLayer(g: v.Graph, reader: TensorReader, config: HubertDims, x: v.Value): v.Value {
  const epsilon = config.layer_norm_eps;
  const attention = {
    query: affineOf(reader, 'attention.q_proj'),
    key: affineOf(reader, 'attention.k_proj'),
    value: affineOf(reader, 'attention.v_proj'),
    output: affineOf(reader, 'attention.out_proj'),
    heads: config.num_attention_heads,
  };
  const up = affineOf(reader, 'feed_forward.intermediate_dense');
  const down = affineOf(reader, 'feed_forward.output_dense');
  if (config.do_stable_layer_norm) {
    const mixed = v.add(g, x, selfAttention(g, norm(g, reader, 'layer_norm', x, epsilon), attention));
    const normed = norm(g, reader, 'final_layer_norm', mixed, epsilon);
    return v.add(g, mixed, feedForward(g, normed, up, down, config.hidden_act));
  }
  const mixed = norm(g, reader, 'layer_norm', v.add(g, x, selfAttention(g, x, attention)), epsilon);
  const fed = v.add(g, mixed, feedForward(g, mixed, up, down, config.hidden_act));
  return norm(g, reader, 'final_layer_norm', fed, epsilon);
}
