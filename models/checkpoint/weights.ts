import { float32ToFloat16 } from '#models/checkpoint/half';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { elementCount, type FloatSource, type WeightSource } from '#models/graph/types';

/** A tensor of the checkpoint as it is. */
export function tensor(reader: TensorReader, name: string): FloatSource {
  return {
    key: reader.fullName(name),
    type: 'float32',
    dims: reader.shape(name),
    load: () => reader.read(name),
  };
}

/** The tensor, or undefined where the checkpoint has none (a layer without bias). */
export function optionalTensor(reader: TensorReader, name: string): FloatSource | undefined {
  return reader.has(name) ? tensor(reader, name) : undefined;
}

/** Numbers made from `source` by `compute`; `tag` names what was done, so that the key stays unique. */
export function derived(
  source: FloatSource,
  tag: string,
  dims: readonly number[],
  compute: (numbers: Float32Array) => Float32Array | Promise<Float32Array>,
): FloatSource {
  return {
    key: `${source.key}:${tag}`,
    type: 'float32',
    dims,
    load: async () => compute(await source.load()),
  };
}

/** Numbers that are already there, under a key of their own. */
export function literal(key: string, dims: readonly number[], numbers: Float32Array): FloatSource {
  return { key, type: 'float32', dims, load: async () => numbers };
}

/** The same numbers under another shape. */
export function reshaped(source: FloatSource, dims: readonly number[]): FloatSource {
  if (elementCount(dims) !== elementCount(source.dims)) {
    throw new RangeError(`${source.key}: [${source.dims.join(', ')}] cannot become [${dims.join(', ')}]`);
  }
  return derived(source, `as[${dims.join(',')}]`, dims, (numbers) => numbers);
}

/** [rows, columns] -> [columns, rows]. */
export function transposed(source: FloatSource): FloatSource {
  const [rows, columns] = matrixDims(source);
  return derived(source, 'T', [columns, rows], (numbers) => {
    const result = new Float32Array(numbers.length);
    // Blocks of 32 keep both sides in cache.
    for (let top = 0; top < rows; top += 32) {
      for (let left = 0; left < columns; left += 32) {
        const bottom = Math.min(top + 32, rows);
        const right = Math.min(left + 32, columns);
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            result[column * rows + row] = numbers[row * columns + column] as number;
          }
        }
      }
    }
    return result;
  });
}

/** Sources under each other along the first axis (the rows of Wq, Wk and Wv as one matrix). */
export function stacked(sources: readonly FloatSource[]): FloatSource {
  const first = sources[0] as FloatSource;
  const rest = first.dims.slice(1);
  const rows = sources.reduce((sum, source) => sum + (source.dims[0] as number), 0);
  return {
    key: `stack(${sources.map((source) => source.key).join('|')})`,
    type: 'float32',
    dims: [rows, ...rest],
    load: async () => {
      const result = new Float32Array(rows * elementCount(rest));
      let offset = 0;
      for (const source of sources) {
        const numbers = await source.load();
        result.set(numbers, offset);
        offset += numbers.length;
      }
      return result;
    },
  };
}

/** Rows in another order: row i of the result is row `order[i]`. Biases count as rows of one number. */
export function rowsReordered(source: FloatSource, tag: string, order: readonly number[]): FloatSource {
  const width = elementCount(source.dims.slice(1));
  return derived(source, tag, source.dims, (numbers) => {
    const result = new Float32Array(numbers.length);
    order.forEach((from, to) => {
      result.set(numbers.subarray(from * width, (from + 1) * width), to * width);
    });
    return result;
  });
}

/** Zeros, where one part of a fused bias is absent. */
export function zeros(key: string, dims: readonly number[]): FloatSource {
  return {
    key: `zeros:${key}`,
    type: 'float32',
    dims,
    load: async () => new Float32Array(elementCount(dims)),
  };
}

/** Every number times `factor`. */
export function scaled(source: FloatSource, factor: number): FloatSource {
  return derived(source, `x${factor}`, source.dims, (numbers) => numbers.map((number) => number * factor));
}

/** W + B A: [out, in] + [out, rank] [rank, in] (LoRA of scale 1, merged into the weight it belongs to). */
export function loraMerged(weight: FloatSource, a: FloatSource, b: FloatSource): FloatSource {
  const [rows, columns] = matrixDims(weight);
  const [rank] = matrixDims(a);
  return {
    key: `${weight.key}:lora`,
    type: 'float32',
    dims: weight.dims,
    load: async () => {
      const result = (await weight.load()).slice();
      const left = await b.load();
      const right = await a.load();
      for (let row = 0; row < rows; row++) {
        const target = result.subarray(row * columns, (row + 1) * columns);
        for (let inner = 0; inner < rank; inner++) {
          const factor = left[row * rank + inner] as number;
          const source = right.subarray(inner * columns, (inner + 1) * columns);
          for (let column = 0; column < columns; column++) {
            target[column] = (target[column] as number) + factor * (source[column] as number);
          }
        }
      }
      return result;
    },
  };
}

/** The same numbers in half precision. */
export function asFloat16(source: FloatSource): WeightSource {
  return {
    key: `${source.key}:f16`,
    type: 'float16',
    dims: source.dims,
    load: async () => float32ToFloat16(await source.load()),
  };
}

/**
 * A weight under weight normalisation, w = g v / |v|, taken together once and for all. The norm runs over every
 * axis but `axis`. Takes both spellings: `weight_g`/`weight_v` and torch's newer `parametrizations.weight.original0/1`.
 * Source: Salimans & Kingma 2016, eq. 2; torch.nn.utils.parametrizations.weight_norm.
 */
export function weightNormed(reader: TensorReader, layer: string, axis = 0): FloatSource {
  if (reader.has(`${layer}.weight`)) return tensor(reader, `${layer}.weight`);
  const modern = reader.has(`${layer}.parametrizations.weight.original0`);
  const magnitudeName = modern ? `${layer}.parametrizations.weight.original0` : `${layer}.weight_g`;
  const directionName = modern ? `${layer}.parametrizations.weight.original1` : `${layer}.weight_v`;
  const direction = tensor(reader, directionName);
  const length = direction.dims[axis] as number;
  const stride = elementCount(direction.dims.slice(axis + 1));
  return derived(direction, 'weight-norm', direction.dims, async (numbers) => {
    const magnitude = await reader.read(magnitudeName);
    const squares = new Float64Array(length);
    const sliceOf = (index: number) => Math.floor(index / stride) % length;
    for (let index = 0; index < numbers.length; index++) {
      const slice = sliceOf(index);
      squares[slice] = (squares[slice] as number) + (numbers[index] as number) ** 2;
    }
    const factors = squares.map((square, slice) => (magnitude[slice] as number) / Math.sqrt(square));
    return numbers.map((number, index) => number * (factors[sliceOf(index)] as number));
  });
}

/** [rows, columns] of a matrix; throws where the tensor has another number of axes. */
export function matrixDims(source: WeightSource): [number, number] {
  if (source.dims.length !== 2)
    throw new RangeError(`${source.key} is no matrix: [${source.dims.join(', ')}]`);
  return [source.dims[0] as number, source.dims[1] as number];
}
