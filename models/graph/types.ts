/** Element types by ONNX's own numbers (TensorProto.DataType). */
export const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

export const ELEMENT_BYTES: Record<ElementType, number> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
};

/** A number, or the name of an axis whose length is known only when the graph runs. */
export type Dim = number | string;

/** Something that flows along an edge of a graph: the result of a node, an input or a weight. */
export interface Value {
  readonly name: string;
}

/** How the large matrices of a graph are kept: as they are, or quantised (models/quantise). */
export type WeightPrecision = 'fp32' | 'int8' | 'int4';

/**
 * A weight that is not read yet. A graph is built from shapes alone; the numbers are loaded one tensor at a time
 * while the graph is written, so a checkpoint of any size needs the memory of its largest tensor.
 */
export interface WeightSource {
  /** Names the numbers: two sources of one key hold the same bytes, so they are stored once. */
  readonly key: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  load(): Promise<ArrayBufferView>;
}

/** A weight source of 32 bit floats, row-major. */
export interface FloatSource extends WeightSource {
  readonly type: 'float32';
  load(): Promise<Float32Array>;
}

/** Number of elements of a shape. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
