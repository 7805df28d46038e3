import { matrixDims } from '#models/checkpoint/weights';
import type { FloatSource, WeightSource } from '#models/graph/types';
import { quantiseBlocks, quantiseColumns } from '#models/quantise/blocks';

/** Computes once and hands out `parts` results; then lets go, so that the matrix is not kept for the whole build. */
function sharedOnce<T>(compute: () => Promise<T>, parts: number): () => Promise<T> {
  let pending: Promise<T> | undefined;
  let taken = 0;
  return async () => {
    pending ??= compute();
    const result = await pending;
    taken++;
    if (taken % parts === 0) pending = undefined;
    return result;
  };
}

/** The weights of MatMulNBits for a matrix [out, in]: numbers [out, blocks, bytes] and scales [out * blocks]. */
export function blockSources(
  matrix: FloatSource,
  bits: 4 | 8,
  blockSize: number,
): { numbers: WeightSource; scales: FloatSource } {
  const [out, inner] = matrixDims(matrix);
  const blocks = Math.ceil(inner / blockSize);
  const quantised = sharedOnce(
    async () => quantiseBlocks(await matrix.load(), out, inner, bits, blockSize),
    2,
  );
  const key = `${matrix.key}:q${bits}b${blockSize}`;
  return {
    numbers: {
      key,
      type: 'uint8',
      dims: [out, blocks, (blockSize * bits) / 8],
      load: async () => (await quantised()).numbers,
    },
    scales: {
      key: `${key}:scales`,
      type: 'float32',
      dims: [out * blocks],
      load: async () => (await quantised()).scales,
    },
  };
}

/** The weights of DynamicQuantizeMatMul for a matrix [out, in]: numbers int8 [in, out] and scales [out]. */
export function columnSources(matrix: FloatSource): { numbers: WeightSource; scales: FloatSource } {
  const [out, inner] = matrixDims(matrix);
  const quantised = sharedOnce(async () => quantiseColumns(await matrix.load(), out, inner), 2);
  const key = `${matrix.key}:columns8`;
  return {
    numbers: { key, type: 'int8', dims: [inner, out], load: async () => (await quantised()).numbers },
    scales: {
      key: `${key}:scales`,
      type: 'float32',
      dims: [out],
      load: async () => (await quantised()).scales,
    },
  };
}
