import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { derived, scaled, stacked, tensor, weightNormed } from '#models/checkpoint/weights';
import * as v from '#models/graph/verbs';

/** The subset of transformers' EncodecConfig that the graphs need. */
export const encodecConfigSchema = z.object({
  sampling_rate: z.number().int().positive(),
  /** Channels of the codec itself. Stereo MusicGen uses a mono codec once per channel. */
  audio_channels: z.number().int().positive().default(1),
  normalize: z.boolean().default(false),
  chunk_length_s: z.number().nullable().default(null),
  norm_type: z.enum(['weight_norm', 'time_group_norm']).default('weight_norm'),
  hidden_size: z.number().int().positive(),
  num_filters: z.number().int().positive(),
  num_residual_layers: z.number().int().nonnegative().default(1),
  /** Decoder's order; their product is the number of samples a frame. */
  upsampling_ratios: z.array(z.number().int().positive()).min(1),
  residual_kernel_size: z.number().int().positive().default(3),
  dilation_growth_rate: z.number().int().positive().default(2),
  use_causal_conv: z.boolean().default(true),
  pad_mode: z.enum(['reflect', 'constant', 'replicate']).default('reflect'),
  num_lstm_layers: z.number().int().nonnegative().default(2),
  trim_right_ratio: z.number().min(0).max(1).default(1),
  codebook_size: z.number().int().positive(),
  use_conv_shortcut: z.boolean().default(true),
  /** Kilobits a second; the largest says how many codebooks there are. */
  target_bandwidths: z.array(z.number().positive()).min(1),
});
export type EncodecConfig = z.infer<typeof encodecConfigSchema>;

/** Samples of one frame. */
export function hopLength(config: EncodecConfig): number {
  return config.upsampling_ratios.reduce((product, ratio) => product * ratio, 1);
}

/** Number of residual codebooks at the largest bandwidth (transformers' EncodecConfig.num_quantizers). */
export function codebookCount(config: EncodecConfig): number {
  const frameRate = Math.ceil(config.sampling_rate / hopLength(config));
  const bandwidth = config.target_bandwidths.at(-1) as number;
  return Math.floor((1000 * bandwidth) / (frameRate * Math.ceil(Math.log2(config.codebook_size))));
}

/** Throws MumuError cannot_do for the codecs that MusicGen does not use (48 kHz stereo EnCodec). */
function refuseUnsupported(config: EncodecConfig): void {
  const reasons = [
    config.audio_channels !== 1 && 'it is stereo itself',
    config.normalize && 'it normalises its input',
    config.chunk_length_s !== null && 'it works in chunks',
    config.norm_type !== 'weight_norm' && 'it uses group norms',
  ].filter((reason) => typeof reason === 'string');
  if (reasons.length > 0) {
    throw new MumuError('cannot_do', `This codec cannot be built into a pack: ${reasons.join(', ')}.`);
  }
}

const PAD_MODES = { reflect: 'reflect', constant: 'constant', replicate: 'edge' } as const;

/** SEANet's parts (Défossez et al. 2022, section 3.1; transformers' modeling_encodec). */
class CodecBuilder {
  constructor(
    readonly g: v.Graph,
    readonly reader: TensorReader,
    readonly config: EncodecConfig,
  ) {}

  /** Length of the time axis of [B, C, T], int64 [1]. */
  length(x: v.Value): v.Value {
    return this.g.op('Shape', [x], { attributes: { start: 2, end: 3 } });
  }

  /**
   * Pads time by `before` and by `after` (int64 [1]). A reflection needs more samples than it mirrors; a signal
   * that may be shorter than `shortest` wants gets zeros behind it first and loses as many at the end.
   */
  pad(x: v.Value, before: number, after: v.Value, largest: number, shortest: number): v.Value {
    const { g, config } = this;
    const mode = PAD_MODES[config.pad_mode];
    const head = g.ints([0, 0, before, 0, 0]);
    const padded = (value: v.Value) =>
      g.op('Pad', [value, v.concat(g, [head, after], 0)], { attributes: { mode } });
    if (mode !== 'reflect' || shortest > largest) return padded(x);
    const reach = g.op('Max', [g.ints([before]), after]);
    const missing = v.add(g, v.subtract(g, reach, this.length(x)), g.ints([1]));
    const short = g.op('Max', [missing, g.ints([0])]);
    const zeros = v.concat(g, [g.ints([0, 0, 0, 0, 0]), short], 0);
    const long = padded(g.op('Pad', [x, zeros], { attributes: { mode: 'constant' } }));
    const end = v.subtract(g, this.length(long), short);
    return g.op('Slice', [long, g.ints([0]), end, g.ints([2])]);
  }

  /** EncodecConv1d: padded so that every started stride gives a frame. `shortest`: least length x can have. */
  conv(
    layer: string,
    x: v.Value,
    shortest: number,
    options: { stride?: number; dilation?: number } = {},
  ): v.Value {
    const { g, reader, config } = this;
    const { stride = 1, dilation = 1 } = options;
    const weight = weightNormed(reader, `${layer}.conv`);
    const total = ((weight.dims[2] as number) - 1) * dilation + 1 - stride;
    const right = config.use_causal_conv ? 0 : Math.floor(total / 2);
    const left = total - right;
    return g.scope(layer, () => {
      let after = g.ints([right]);
      if (stride > 1) {
        const rest = g.op('Mod', [g.op('Neg', [this.length(x)]), g.ints([stride])]);
        after = v.add(g, after, rest);
      }
      const needsPadding = total > 0 || stride > 1;
      const input = needsPadding ? this.pad(x, left, after, Math.max(left, right + stride - 1), shortest) : x;
      const bias = tensor(reader, `${layer}.conv.bias`);
      return v.conv1d(g, input, weight, { bias, stride, dilation });
    });
  }

  /** EncodecConvTranspose1d: what the kernel overhangs is trimmed, so that T frames give T x stride samples. */
  convTranspose(layer: string, x: v.Value, stride: number): v.Value {
    const { g, reader, config } = this;
    const weight = weightNormed(reader, `${layer}.conv`);
    const total = (weight.dims[2] as number) - stride;
    const right = config.use_causal_conv ? Math.ceil(total * config.trim_right_ratio) : Math.floor(total / 2);
    const bias = tensor(reader, `${layer}.conv.bias`);
    return g.scope(layer, () =>
      v.convTranspose1d(g, x, weight, { bias, stride, padding: [total - right, right] }),
    );
  }

  /** Two convolutions around a bottleneck, beside an identity or a convolution of width one. */
  residual(layer: string, x: v.Value, shortest: number, dilation: number): v.Value {
    const { g, config } = this;
    const inner = this.conv(`${layer}.block.1`, v.elu(g, x), shortest, { dilation });
    const outer = this.conv(`${layer}.block.3`, v.elu(g, inner), shortest);
    return v.add(g, config.use_conv_shortcut ? this.conv(`${layer}.shortcut`, x, shortest) : x, outer);
  }

  residuals(first: number, x: v.Value, shortest: number): v.Value {
    let result = x;
    for (let index = 0; index < this.config.num_residual_layers; index++) {
      const dilation = this.config.dilation_growth_rate ** index;
      result = this.residual(`layers.${first + index}`, result, shortest, dilation);
    }
    return result;
  }

  /** LSTM layers over time with what went in added at the end: [B, C, T] -> [B, C, T]. */
  lstm(layer: string, x: v.Value): v.Value {
    const { g, reader, config } = this;
    return g.scope(layer, () => {
      const time = v.transpose(g, x, [2, 0, 1]);
      let state = time;
      for (let index = 0; index < config.num_lstm_layers; index++) {
        const part = (name: string) => tensor(reader, `${layer}.lstm.${name}_l${index}`);
        const weights = {
          inputWeight: part('weight_ih'),
          hiddenWeight: part('weight_hh'),
          inputBias: part('bias_ih'),
          hiddenBias: part('bias_hh'),
        };
        state = v.lstm(g, state, weights, weights.hiddenWeight.dims[1] as number);
      }
      return v.transpose(g, v.add(g, state, time), [1, 2, 0]);
    });
  }

  /** [B, 1, N] -> [B, hidden, T]. */
  encoder(waveform: v.Value): v.Value {
    const { g, config } = this;
    let x = this.conv('layers.0', waveform, 1);
    let layer = 1;
    for (const ratio of config.upsampling_ratios.toReversed()) {
      x = this.residuals(layer, x, 1);
      layer += config.num_residual_layers + 1;
      x = this.conv(`layers.${layer}`, v.elu(g, x), 1, { stride: ratio });
      layer += 1;
    }
    x = this.lstm(`layers.${layer}`, x);
    return this.conv(`layers.${layer + 2}`, v.elu(g, x), 1);
  }

  /** [B, hidden, T] -> [B, 1, N]. */
  decoder(embeddings: v.Value): v.Value {
    const { g, config } = this;
    let x = this.lstm('layers.1', this.conv('layers.0', embeddings, 1));
    let layer = 3;
    let shortest = 1;
    for (const ratio of config.upsampling_ratios) {
      x = this.convTranspose(`layers.${layer}`, v.elu(g, x), ratio);
      shortest *= ratio;
      x = this.residuals(layer + 1, x, shortest);
      layer += config.num_residual_layers + 2;
    }
    return this.conv(`layers.${layer}`, v.elu(g, x), shortest);
  }
}

function codebookTable(reader: TensorReader, index: number): v.FloatSource {
  return tensor(reader, `quantizer.layers.${index}.codebook.embed`);
}

/** -|e|^2 of every entry of a codebook, [card]. */
function negativeSquares(table: v.FloatSource): v.FloatSource {
  const [card, width] = table.dims as [number, number];
  return derived(table, 'negative-squares', [card], (numbers) =>
    Float32Array.from({ length: card }, (_, row) => {
      let total = 0;
      for (let column = 0; column < width; column++) total += (numbers[row * width + column] as number) ** 2;
      return -total;
    }),
  );
}

/**
 * Residual quantiser: [B, hidden, T] -> codes int64 [B, K, T]. The nearest entry of a codebook is the one of the
 * largest 2 x.e - |e|^2, as |x|^2 is the same for all.
 */
function quantise(g: v.Graph, embeddings: v.Value, reader: TensorReader, codebooks: number): v.Value {
  let residual = v.transpose(g, embeddings, [0, 2, 1]);
  const codes: v.Value[] = [];
  for (let index = 0; index < codebooks; index++) {
    const table = codebookTable(reader, index);
    g.scope(`quantizer.${index}`, () => {
      const products = v.linear(g, residual, scaled(table, 2), { precision: 'fp32' });
      const closeness = v.add(g, products, g.weight(negativeSquares(table)));
      const nearest = g.op('ArgMax', [closeness], { attributes: { axis: -1, keepdims: 0 } });
      codes.push(v.unsqueeze(g, nearest, [1]));
      residual = v.subtract(g, residual, v.gather(g, g.weight(table), nearest));
    });
  }
  return v.concat(g, codes, 1);
}

/** Sum of the codes' entries: int64 [B, K, T] -> [B, hidden, T]. */
function dequantise(g: v.Graph, codes: v.Value, reader: TensorReader, config: EncodecConfig): v.Value {
  const codebooks = codebookCount(config);
  const table = stacked(Array.from({ length: codebooks }, (_, index) => codebookTable(reader, index)));
  const offsets = g.weight({
    key: `codebook-offsets[${codebooks}x${config.codebook_size}]`,
    type: 'int64',
    dims: [1, codebooks, 1],
    load: async () =>
      BigInt64Array.from({ length: codebooks }, (_, index) => BigInt(index * config.codebook_size)),
  });
  const entries = v.gather(g, g.weight(table), v.add(g, codes, offsets)); // [B, K, T, hidden]
  return v.transpose(g, v.sum(g, entries, [1], false), [0, 2, 1]);
}

export interface CodecOptions {
  /** 2: left and right go through the mono codec as a batch, their codebooks interleaved (stereo MusicGen). */
  channels?: 1 | 2;
}

/**
 * `waveform` [1, channels, N] (any N from 1) -> `codes` int64 [1, K x channels, ceil(N / hop)].
 *
 * `reader` stands where transformers' EncodecModel does. Always 32 bit: a codec is small, mostly convolutions, and
 * heard directly. Throws MumuError cannot_do for the configurations that MusicGen does not use.
 */
export function buildCodecEncoder(
  reader: TensorReader,
  config: EncodecConfig,
  options: CodecOptions = {},
): v.Graph {
  refuseUnsupported(config);
  const { channels = 1 } = options;
  const codebooks = codebookCount(config);
  const g = new v.Graph('codec-encoder');
  const waveform = g.input('waveform', 'float32', [1, channels, 'N']);
  const batch = channels === 1 ? waveform : v.transpose(g, waveform, [1, 0, 2]);
  const b = new CodecBuilder(g, reader.withPrefix('encoder.'), config);
  let codes = quantise(g, b.encoder(batch), reader, codebooks);
  if (channels === 2) {
    // [2, K, T] -> [K, 2, T] -> [1, 2 K, T]
    const interleaved = v.transpose(g, codes, [1, 0, 2]);
    codes = g.op('Reshape', [interleaved, v.concat(g, [g.ints([1, 2 * codebooks]), b.length(codes)], 0)]);
  }
  g.output('codes', codes, 'int64', [1, codebooks * channels, 'T']);
  return g;
}

/** `codes` int64 [1, K x channels, T] (any T from 1) -> `waveform` [1, channels, T x hop]. See `buildCodecEncoder`. */
export function buildCodecDecoder(
  reader: TensorReader,
  config: EncodecConfig,
  options: CodecOptions = {},
): v.Graph {
  refuseUnsupported(config);
  const { channels = 1 } = options;
  const codebooks = codebookCount(config);
  const g = new v.Graph('codec-decoder');
  const codes = g.input('codes', 'int64', [1, codebooks * channels, 'T']);
  // [1, 2 K, T] -> [K, 2, T] -> [2, K, T]
  const batch =
    channels === 1 ? codes : v.transpose(g, g.op('Reshape', [codes, g.ints([codebooks, 2, -1])]), [1, 0, 2]);
  const b = new CodecBuilder(g, reader.withPrefix('decoder.'), config);
  const mono = b.decoder(dequantise(g, batch, reader, config));
  const waveform = channels === 1 ? mono : v.transpose(g, mono, [1, 0, 2]);
  g.output('waveform', waveform, 'float32', [1, channels, 'N']);
  return g;
}
