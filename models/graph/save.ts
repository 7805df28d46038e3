import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Graph, TensorInfo } from '#models/graph/graph';
import { encodeModel, type OnnxTensor, type OnnxValueInfo } from '#models/graph/onnx-schema';
import { ELEMENT_BYTES, ELEMENT_TYPES, elementCount, type WeightSource } from '#models/graph/types';

/** IR 10 goes with opset 21; both are read by every onnxruntime since 1.18. */
const IR_VERSION = 10;
const ONNX_OPSET = 21;
const MICROSOFT_OPSET = 1;

/** Weights below this stay inside the .onnx file (shapes, scalars, norms of small models). */
const INLINE_BYTES = 1024;
/** onnxruntime maps external weights into memory: pages of the file must be pages of memory. */
const PAGE_BYTES = 4096;

interface StoredRange {
  offset: number;
  length: number;
}

/**
 * A file of weights beside one or several graphs. Graphs that share it (prefill and step of one model) store a
 * tensor of the same key once.
 */
export class WeightFile {
  readonly #stored = new Map<string, StoredRange>();
  readonly #hash: Hash = createHash('sha256');
  #offset = 0;

  private constructor(
    readonly name: string,
    readonly handle: FileHandle,
  ) {}

  /** Creates (or empties) the file `path`. */
  static async create(path: string): Promise<WeightFile> {
    return new WeightFile(basename(path), await open(path, 'w'));
  }

  /** Writes `bytes` unless `key` is there already. */
  async store(key: string, load: () => Promise<Uint8Array>): Promise<StoredRange> {
    const known = this.#stored.get(key);
    if (known) return known;
    const bytes = await load();
    const padding = new Uint8Array((PAGE_BYTES - (this.#offset % PAGE_BYTES)) % PAGE_BYTES);
    await this.#append(padding);
    const range = { offset: this.#offset, length: bytes.byteLength };
    await this.#append(bytes);
    this.#stored.set(key, range);
    return range;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.byteLength) {
      const step = await this.handle.write(bytes, written, bytes.byteLength - written, this.#offset);
      written += step.bytesWritten;
      this.#offset += step.bytesWritten;
    }
    this.#hash.update(bytes);
  }

  /** Closes the file; its size in bytes and its sha256 were counted while it was written. */
  async close(): Promise<{ bytes: number; sha256: string }> {
    await this.handle.close();
    return { bytes: this.#offset, sha256: this.#hash.digest('hex') };
  }
}

function toValueInfo(info: TensorInfo): OnnxValueInfo {
  const dim = info.dims.map((dim) => (typeof dim === 'number' ? { dim_value: dim } : { dim_param: dim }));
  return { name: info.name, type: { tensor_type: { elem_type: ELEMENT_TYPES[info.type], shape: { dim } } } };
}

async function loadBytes(source: WeightSource): Promise<Uint8Array> {
  const view = await source.load();
  const expected = elementCount(source.dims) * ELEMENT_BYTES[source.type];
  if (view.byteLength !== expected) {
    throw new RangeError(
      `${source.key}: ${view.byteLength} bytes for [${source.dims.join(', ')}] ${source.type}`,
    );
  }
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

async function toTensor(source: WeightSource, file: WeightFile | undefined): Promise<OnnxTensor> {
  const tensor: OnnxTensor = {
    name: source.key,
    dims: [...source.dims],
    data_type: ELEMENT_TYPES[source.type],
  };
  const bytes = elementCount(source.dims) * ELEMENT_BYTES[source.type];
  if (!file || bytes < INLINE_BYTES) return { ...tensor, raw_data: await loadBytes(source) };
  const range = await file.store(source.key, () => loadBytes(source));
  return {
    ...tensor,
    external_data: [
      { key: 'location', value: file.name },
      { key: 'offset', value: String(range.offset) },
      { key: 'length', value: String(range.length) },
    ],
    data_location: 1,
  };
}

/** Bytes of the graph as an ONNX model; large weights go to `file`, or all of them inside when there is none. */
export async function encodeGraph(graph: Graph, file?: WeightFile): Promise<Uint8Array> {
  const rename = (name: string) => graph.aliases.get(name) ?? name;
  const initializer: OnnxTensor[] = [];
  for (const source of graph.weights.values()) initializer.push(await toTensor(source, file));
  return encodeModel({
    ir_version: IR_VERSION,
    producer_name: 'mumu',
    graph: {
      name: graph.name,
      node: graph.nodes.map((node) => ({
        ...node,
        input: node.input.map(rename),
        output: node.output.map(rename),
      })),
      initializer,
      input: graph.inputs.map(toValueInfo),
      output: graph.outputs.map(toValueInfo),
      value_info: graph.shapes.filter((info) => !graph.aliases.has(info.name)).map(toValueInfo),
    },
    opset_import: [
      { domain: '', version: ONNX_OPSET },
      { domain: 'com.microsoft', version: MICROSOFT_OPSET },
    ],
  });
}

/** Writes `<folder>/<graph name>.onnx`, its large weights into `file`; returns the file's name, size and sha256. */
export async function saveGraph(
  graph: Graph,
  folder: string,
  file: WeightFile,
): Promise<{ name: string; bytes: number; sha256: string }> {
  const name = `${graph.name}.onnx`;
  const bytes = await encodeGraph(graph, file);
  await writeFile(join(folder, name), bytes);
  return { name, bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') };
}
