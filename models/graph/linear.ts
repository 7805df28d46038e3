import type { Affine } from '#models/checkpoint/affine';
import { matrixDims, transposed } from '#models/checkpoint/weights';
import { add, matmul } from '#models/graph/basic';
import type { Graph } from '#models/graph/graph';
import { elementCount, type FloatSource, type Value, type WeightPrecision } from '#models/graph/types';
import { blockSources, columnSources } from '#models/quantise/sources';

export interface LinearOptions {
  bias?: FloatSource | undefined;
  /** Another precision than the graph's own: 'fp32' for what must stay precise. */
  precision?: WeightPrecision;
}

/** Block sizes at which the operator was fastest and still accurate (docs in bench). */
const BLOCK_SIZES = { int4: 32, int8: 128 } as const;
/** onnxruntime's accuracy level 4: products of int8 activations, sums in int32. */
const ACCURACY_LEVEL = 4;
/** Below this many numbers a matrix is not worth quantising. */
const SMALLEST_QUANTISED = 16_384;

/** x W^T + b with a torch weight [out, in]: [..., in] -> [..., out]. */
export function linear(g: Graph, x: Value, weight: FloatSource, options: LinearOptions = {}): Value {
  const wanted = options.precision ?? g.precision;
  const precision = elementCount(weight.dims) < SMALLEST_QUANTISED ? 'fp32' : wanted;
  const product = multiplied(g, x, weight, precision);
  return options.bias ? add(g, product, g.weight(options.bias)) : product;
}

function multiplied(g: Graph, x: Value, weight: FloatSource, precision: WeightPrecision): Value {
  if (precision === 'fp32') return matmul(g, x, g.weight(transposed(weight)));
  if (precision === 'int8' && g.manyRows) return columnProduct(g, x, weight);
  return blockProduct(g, x, weight, precision);
}

/**
 * int8 products of many rows: one scale per column of the result, activations quantised while running (one scale for
 * all of them). Where the processor has int8 matrix units this is several times as fast as anything else, and it is
 * less exact than blocks.
 */
function columnProduct(g: Graph, x: Value, weight: FloatSource): Value {
  const { numbers, scales } = columnSources(weight);
  return g.op('DynamicQuantizeMatMul', [x, g.weight(numbers), g.weight(scales)], { domain: 'com.microsoft' });
}

/** A linear layer as the checkpoint has it. */
export function affine(g: Graph, x: Value, layer: Affine): Value {
  return linear(g, x, layer.weight, { bias: layer.bias });
}

function blockProduct(g: Graph, x: Value, weight: FloatSource, precision: 'int8' | 'int4'): Value {
  const [out, inner] = matrixDims(weight);
  const bits = precision === 'int4' ? 4 : 8;
  const blockSize = BLOCK_SIZES[precision];
  const { numbers, scales } = blockSources(weight, bits, blockSize);
  return g.op('MatMulNBits', [x, g.weight(numbers), g.weight(scales)], {
    domain: 'com.microsoft',
    attributes: { K: inner, N: out, bits, block_size: blockSize, accuracy_level: ACCURACY_LEVEL },
  });
}
