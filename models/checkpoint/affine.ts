import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { optionalTensor, stacked, tensor, zeros } from '#models/checkpoint/weights';
import type { FloatSource } from '#models/graph/types';

/** A linear layer: weight [out, in] and, where the checkpoint has one, bias [out]. */
export interface Affine {
  weight: FloatSource;
  bias: FloatSource | undefined;
}

/** The linear layer called `name`. */
export function affineOf(reader: TensorReader, name: string): Affine {
  return { weight: tensor(reader, `${name}.weight`), bias: optionalTensor(reader, `${name}.bias`) };
}

/** Several linear layers of one input as one: their rows under each other, absent biases as zeros. */
export function fused(parts: readonly Affine[]): Affine {
  const weight = stacked(parts.map((part) => part.weight));
  if (parts.every((part) => !part.bias)) return { weight, bias: undefined };
  const biases = parts.map(
    (part) => part.bias ?? zeros(`${part.weight.key}.bias`, [part.weight.dims[0] as number]),
  );
  return { weight, bias: stacked(biases) };
}

/**
 * The first of several spellings that the checkpoint has: libraries rename modules between releases, and published
 * files keep the names of their time. `suffix` tells which tensor of the module to look for. When none is there the
 * first is returned, so that the error names today's spelling.
 */
export function spelling(reader: TensorReader, names: readonly string[], suffix = '.weight'): string {
  return names.find((name) => reader.has(name + suffix)) ?? (names[0] as string);
}
