import type { Graph } from '#models/graph/graph';
import type { FloatSource, Value } from '#models/graph/types';

export interface ConvolutionOptions {
  bias?: FloatSource | undefined;
  stride?: number;
  dilation?: number;
  groups?: number;
  /** Zeros added at the start and at the end of time. */
  padding?: readonly [number, number];
}

function attributes(weight: FloatSource, options: ConvolutionOptions) {
  return {
    kernel_shape: [weight.dims[2] as number],
    strides: [options.stride ?? 1],
    dilations: [options.dilation ?? 1],
    group: options.groups ?? 1,
    pads: [...(options.padding ?? [0, 0])],
  };
}

/** [batch, in, time] with `weight` [out, in / groups, kernel] -> [batch, out, time']. */
export function conv1d(g: Graph, x: Value, weight: FloatSource, options: ConvolutionOptions = {}): Value {
  const inputs = [x, g.weight(weight), options.bias ? g.weight(options.bias) : null];
  return g.op('Conv', options.bias ? inputs : inputs.slice(0, 2), {
    attributes: attributes(weight, options),
  });
}

/**
 * Transposed convolution: [batch, in, time] with `weight` [in, out / groups, kernel] -> [batch, out, time'], where
 * `padding` is what is trimmed from the start and the end of (time - 1) stride + kernel.
 */
export function convTranspose1d(
  g: Graph,
  x: Value,
  weight: FloatSource,
  options: ConvolutionOptions = {},
): Value {
  const inputs = [x, g.weight(weight), options.bias ? g.weight(options.bias) : null];
  return g.op('ConvTranspose', options.bias ? inputs : inputs.slice(0, 2), {
    attributes: attributes(weight, options),
  });
}

/** Pads the time axis of [batch, channels, time]; `reflect` mirrors without repeating the edge. */
export function padTime(
  g: Graph,
  x: Value,
  before: number,
  after: number,
  mode: 'constant' | 'reflect',
): Value {
  return g.op('Pad', [x, g.ints([0, 0, before, 0, 0, after])], { attributes: { mode } });
}
