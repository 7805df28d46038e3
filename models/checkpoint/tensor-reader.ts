/** What a checkpoint offers, whatever file format it is kept in. */
export interface TensorReader {
  /** Names under this reader's prefix, without the prefix. */
  names(): string[];
  has(name: string): boolean;
  /** Shape of a tensor; throws MumuError damaged_pack naming the tensor when it is absent. */
  shape(name: string): readonly number[];
  /** The tensor's name in the whole checkpoint, prefix included. */
  fullName(name: string): string;
  /** Reads one tensor as 32 bit floats, row-major, whatever it is stored as. */
  read(name: string): Promise<Float32Array>;
  /** The same checkpoint seen from below a prefix such as `llama.`. */
  withPrefix(prefix: string): TensorReader;
}
