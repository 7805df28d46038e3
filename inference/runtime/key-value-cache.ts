import type { Tensor } from 'onnxruntime-node';
import { floats } from '#inference/runtime/session';

/** What a mask adds to scores of places that hold nothing. */
const MASKED = -1e9;
const SMALLEST = 64;

/**
 * Keys and values of everything seen so far, one pair of arrays per layer, owned here and lent to the step graph as
 * inputs (onnxruntime copies outputs but not inputs, so the cache must never be an output). Layout per layer:
 * [rows, capacity, headDim], where rows is heads (times batch). Capacity grows by doubling.
 */
export class KeyValueCache {
  private keys: Float32Array[];
  private values: Float32Array[];
  private mask: Float32Array;
  private capacity: number;
  private length = 0;

  constructor(
    private readonly shape: { layers: number; rows: number; headDim: number },
    expected: number,
  ) {
    this.capacity = powerOfTwo(expected);
    const size = shape.rows * this.capacity * shape.headDim;
    this.keys = Array.from({ length: shape.layers }, () => new Float32Array(size));
    this.values = Array.from({ length: shape.layers }, () => new Float32Array(size));
    this.mask = new Float32Array(this.capacity).fill(MASKED);
  }

  /** Number of positions held. */
  get positions(): number {
    return this.length;
  }

  /** Fills an empty cache from a prefill: `keys` and `values` [layers, rows, count, headDim]. */
  fill(keys: Float32Array, values: Float32Array, count: number): void {
    const { layers, rows, headDim } = this.shape;
    this.reserve(count);
    for (let layer = 0; layer < layers; layer++) {
      for (let row = 0; row < rows; row++) {
        const from = (layer * rows + row) * count * headDim;
        const to = row * this.capacity * headDim;
        this.keys[layer]?.set(keys.subarray(from, from + count * headDim), to);
        this.values[layer]?.set(values.subarray(from, from + count * headDim), to);
      }
    }
    this.advance(count);
  }

  /** Appends one position: `keys` and `values` [layers, rows, headDim]. */
  append(keys: Float32Array, values: Float32Array): void {
    const { layers, rows, headDim } = this.shape;
    this.reserve(this.length + 1);
    for (let layer = 0; layer < layers; layer++) {
      for (let row = 0; row < rows; row++) {
        const from = (layer * rows + row) * headDim;
        const to = (row * this.capacity + this.length) * headDim;
        this.keys[layer]?.set(keys.subarray(from, from + headDim), to);
        this.values[layer]?.set(values.subarray(from, from + headDim), to);
      }
    }
    this.advance(1);
  }

  /** Inputs of a step graph: `mask` [capacity], `key_cache.l` and `value_cache.l` [...leading, capacity, headDim]. */
  feeds(leading: readonly number[]): Record<string, Tensor> {
    const dims = [...leading, this.capacity, this.shape.headDim];
    const feeds: Record<string, Tensor> = { mask: floats(this.mask, [this.capacity]) };
    for (const [layer, keys] of this.keys.entries()) {
      feeds[`key_cache.${layer}`] = floats(keys, dims);
      feeds[`value_cache.${layer}`] = floats(this.values[layer] as Float32Array, dims);
    }
    return feeds;
  }

  private advance(count: number): void {
    this.mask.fill(0, this.length, this.length + count);
    this.length += count;
  }

  private reserve(positions: number): void {
    if (positions <= this.capacity) return;
    const before = this.capacity;
    this.capacity = powerOfTwo(positions);
    const { rows, headDim } = this.shape;
    const widen = (old: Float32Array): Float32Array => {
      const wide = new Float32Array(rows * this.capacity * headDim);
      for (let row = 0; row < rows; row++) {
        const from = row * before * headDim;
        wide.set(old.subarray(from, from + this.length * headDim), row * this.capacity * headDim);
      }
      return wide;
    };
    this.keys = this.keys.map(widen);
    this.values = this.values.map(widen);
    this.mask = new Float32Array(this.capacity).fill(MASKED).fill(0, 0, this.length);
  }
}

function powerOfTwo(atLeast: number): number {
  let size = SMALLEST;
  while (size < atLeast) size *= 2;
  return size;
}
