import { add, divide, mean, multiply, sum } from '#models/graph/basic';
import type { Graph } from '#models/graph/graph';
import type { FloatSource, Value } from '#models/graph/types';

/** Layer normalisation over the last axis. */
export function layerNorm(
  g: Graph,
  x: Value,
  weight: FloatSource,
  bias: FloatSource,
  epsilon: number,
): Value {
  return g.op('LayerNormalization', [x, g.weight(weight), g.weight(bias)], {
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}

/**
 * x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang & Sennrich 2019). ONNX has no operator for it at
 * opset 21; onnxruntime fuses exactly this chain into SimplifiedLayerNormalization.
 */
export function rmsNorm(g: Graph, x: Value, weight: FloatSource, epsilon: number): Value {
  const square = g.op('Pow', [x, g.float(2)]);
  const root = g.op('Sqrt', [add(g, mean(g, square, [-1], true), g.float(epsilon))]);
  return multiply(g, divide(g, x, root), g.weight(weight));
}

/** x / max(|x|, eps) over the last axis (torch.nn.functional.normalize). */
export function l2Normalise(g: Graph, x: Value, epsilon = 1e-12): Value {
  const length = g.op('Sqrt', [sum(g, multiply(g, x, x), [-1], true)]);
  return divide(g, x, g.op('Max', [length, g.float(epsilon)]));
}

/** Normalises every channel of [batch, channels, time] over its own time axis (a group norm of one channel a group). */
export function channelNorm(
  g: Graph,
  x: Value,
  weight: FloatSource,
  bias: FloatSource,
  epsilon: number,
): Value {
  return g.op('InstanceNormalization', [x, g.weight(weight), g.weight(bias)], {
    attributes: { epsilon: { float: epsilon } },
  });
}
