import type { OnnxAttribute, OnnxNode } from '#models/graph/onnx-schema';
import type {
  Dim,
  ElementType,
  FloatSource,
  Value,
  WeightPrecision,
  WeightSource,
} from '#models/graph/types';
import { elementCount } from '#models/graph/types';

/** Attributes of a node: integers must be whole numbers, floats are given as `{ float: x }`. */
export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { float: number }
  | { floats: readonly number[] };

export interface TensorInfo {
  name: string;
  type: ElementType;
  dims: readonly Dim[];
}

export interface NodeOptions {
  attributes?: Record<string, AttributeValue>;
  /** '' for ONNX itself, 'com.microsoft' for onnxruntime's own operators. */
  domain?: '' | 'com.microsoft';
  /** Said of an operator that ONNX's checker does not know, so that the shapes behind it can still be inferred. */
  result?: { type: ElementType; dims: readonly Dim[] };
}

const FLOAT_ATTRIBUTE = 1;
const INT_ATTRIBUTE = 2;
const STRING_ATTRIBUTE = 3;
const FLOATS_ATTRIBUTE = 6;
const INTS_ATTRIBUTE = 7;

function toAttribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === 'string') return { name, type: STRING_ATTRIBUTE, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') {
    if (!Number.isInteger(value))
      throw new RangeError(`attribute ${name}: ${value} is not whole; use { float }`);
    return { name, type: INT_ATTRIBUTE, i: value };
  }
  if ('float' in value) return { name, type: FLOAT_ATTRIBUTE, f: value.float };
  if ('floats' in value) return { name, type: FLOATS_ATTRIBUTE, floats: [...value.floats] };
  return { name, type: INTS_ATTRIBUTE, ints: [...value] };
}

/**
 * An ONNX graph under construction: inputs, nodes, weights (not loaded yet) and outputs. The verbs of
 * `#models/graph/verbs` add nodes to it; `#models/graph/save` writes it.
 */
export class Graph {
  readonly inputs: TensorInfo[] = [];
  readonly outputs: TensorInfo[] = [];
  readonly nodes: OnnxNode[] = [];
  readonly weights = new Map<string, WeightSource>();
  readonly shapes: TensorInfo[] = [];
  /** Name of a value -> the name it goes out under. */
  readonly aliases = new Map<string, string>();
  readonly precision: WeightPrecision;
  /** Whether its matrix products have many rows each (an encoder) or few (a decoder's step). */
  readonly manyRows: boolean;
  #scopes: string[] = [];
  #uses = new Map<string, number>();

  constructor(
    readonly name: string,
    options: { precision?: WeightPrecision; manyRows?: boolean } = {},
  ) {
    this.manyRows = options.manyRows ?? false;
    this.precision = options.precision ?? 'fp32';
  }

  /** Declares an input of the graph. */
  input(name: string, type: ElementType, dims: readonly Dim[]): Value {
    this.inputs.push({ name, type, dims });
    return { name };
  }

  /** Declares that `value` goes out of the graph under `name`. */
  output(name: string, value: Value, type: ElementType, dims: readonly Dim[]): void {
    this.outputs.push({ name, type, dims });
    const renamable =
      !this.aliases.has(value.name) && this.nodes.some((node) => node.output.includes(value.name));
    const source = renamable ? value : this.op('Identity', [value]);
    this.aliases.set(source.name, name);
  }

  /** Runs `build` with `name` as part of the name of every node it adds, so that nodes are named by where they are. */
  scope<T>(name: string, build: () => T): T {
    this.#scopes.push(name);
    try {
      return build();
    } finally {
      this.#scopes.pop();
    }
  }

  /** Adds a node of one result; `null` leaves an optional input out. */
  op(type: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value {
    return this.ops(type, inputs, 1, options)[0] as Value;
  }

  /** Adds a node of `count` results. `options.result` describes the first of them. */
  ops(type: string, inputs: readonly (Value | null)[], count: number, options: NodeOptions = {}): Value[] {
    const name = this.#unique([...this.#scopes, type].join('/'));
    const results = Array.from({ length: count }, (_, index) => ({
      name: count === 1 ? name : `${name}.${index}`,
    }));
    this.nodes.push({
      input: inputs.map((value) => value?.name ?? ''),
      output: results.map((value) => value.name),
      name,
      op_type: type,
      attribute: Object.entries(options.attributes ?? {}).map(([key, value]) => toAttribute(key, value)),
      domain: options.domain ?? '',
    });
    if (options.result) this.shapes.push({ name: (results[0] as Value).name, ...options.result });
    return results;
  }

  /** A weight of the checkpoint (or made from one). The same key twice is one initializer. */
  weight(source: WeightSource): Value {
    if (!this.weights.has(source.key)) this.weights.set(source.key, source);
    return { name: source.key };
  }

  /** A small constant of 64 bit integers, one axis: shapes, axes, bounds. */
  ints(values: readonly number[]): Value {
    const source: WeightSource = {
      key: `int64[${values.join(',')}]`,
      type: 'int64',
      dims: [values.length],
      load: async () => BigInt64Array.from(values, BigInt),
    };
    return this.weight(source);
  }

  /** A 64 bit integer without axes (an index that takes its axis away). */
  int(value: number): Value {
    const load = async () => BigInt64Array.of(BigInt(value));
    return this.weight({ key: `int64(${value})`, type: 'int64', dims: [], load });
  }

  /** A 32 bit float without axes. */
  float(value: number): Value {
    return this.weight({
      key: `float(${value})`,
      type: 'float32',
      dims: [],
      load: async () => Float32Array.of(value),
    });
  }

  /** A table that is computed rather than read: positions, masks. `key` must be its alone. */
  table(key: string, dims: readonly number[], values: () => Float32Array): Value {
    const source: FloatSource = {
      key: `table:${key}`,
      type: 'float32',
      dims,
      load: async () => {
        const numbers = values();
        if (numbers.length !== elementCount(dims)) {
          throw new RangeError(`table ${key}: ${numbers.length} numbers for [${dims.join(', ')}]`);
        }
        return numbers;
      },
    };
    return this.weight(source);
  }

  #unique(name: string): string {
    const uses = this.#uses.get(name) ?? 0;
    this.#uses.set(name, uses + 1);
    return uses === 0 ? name : `${name}_${uses}`;
  }
}
