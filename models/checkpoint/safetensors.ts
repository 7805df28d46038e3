import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { bfloat16ToFloat32, float16ToFloat32 } from '#models/checkpoint/half';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { elementCount } from '#models/graph/types';

const ELEMENT_SIZES = {
  F32: 4,
  F16: 2,
  BF16: 2,
  F64: 8,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
type StoredType = keyof typeof ELEMENT_SIZES;

const entrySchema = z.object({
  dtype: z.enum(Object.keys(ELEMENT_SIZES) as [StoredType, ...StoredType[]]),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
type Entry = z.infer<typeof entrySchema>;

/** A header is JSON; the format itself caps it at 100 MB. */
const LARGEST_HEADER = 100_000_000;
const LENGTH_BYTES = 8;

class SafetensorsReader implements TensorReader {
  constructor(
    readonly handle: FileHandle,
    readonly file: string,
    readonly entries: ReadonlyMap<string, Entry>,
    readonly dataStart: number,
    readonly prefix: string,
  ) {}

  names(): string[] {
    return [...this.entries.keys()]
      .filter((name) => name.startsWith(this.prefix))
      .map((name) => name.slice(this.prefix.length));
  }

  has(name: string): boolean {
    return this.entries.has(this.prefix + name);
  }

  fullName(name: string): string {
    return this.prefix + name;
  }

  shape(name: string): readonly number[] {
    return this.#entry(name).shape;
  }

  async read(name: string): Promise<Float32Array> {
    const { dtype, shape, data_offsets } = this.#entry(name);
    const [start, end] = data_offsets;
    const bytes = new Uint8Array(end - start);
    let done = 0;
    while (done < bytes.byteLength) {
      const position = this.dataStart + start + done;
      const { bytesRead } = await this.handle.read(bytes, done, bytes.byteLength - done, position);
      if (bytesRead === 0) throw damaged(this.file, `it ends inside the tensor ${this.fullName(name)}`);
      done += bytesRead;
    }
    return toFloats(bytes, dtype, elementCount(shape));
  }

  withPrefix(prefix: string): TensorReader {
    return new SafetensorsReader(this.handle, this.file, this.entries, this.dataStart, this.prefix + prefix);
  }

  #entry(name: string): Entry {
    const entry = this.entries.get(this.prefix + name);
    if (!entry) throw damaged(this.file, `it has no tensor named ${this.prefix + name}`);
    return entry;
  }
}

function toFloats(bytes: Uint8Array, dtype: StoredType, count: number): Float32Array {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer);
    case 'F16':
      return float16ToFloat32(new Uint16Array(bytes.buffer));
    case 'BF16':
      return bfloat16ToFloat32(new Uint16Array(bytes.buffer));
    case 'F64':
      return Float32Array.from(new Float64Array(bytes.buffer));
    case 'I64':
      return Float32Array.from(new BigInt64Array(bytes.buffer), Number);
    case 'I32':
      return Float32Array.from(new Int32Array(bytes.buffer));
    case 'I16':
      return Float32Array.from(new Int16Array(bytes.buffer));
    case 'I8':
      return Float32Array.from(new Int8Array(bytes.buffer));
    case 'U8':
    case 'BOOL':
      return Float32Array.from(bytes.subarray(0, count));
  }
}

function damaged(file: string, why: string, cause?: unknown): MumuError {
  return new MumuError('damaged_pack', `The checkpoint file ${file} is damaged: ${why}.`, { cause });
}

function parseHeader(text: string, file: string, dataBytes: number): Map<string, Entry> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, 'its header is not JSON', cause);
  }
  const header = z.record(z.string(), z.unknown()).safeParse(raw);
  if (!header.success) throw damaged(file, 'its header is not a JSON object');
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(header.data)) {
    if (name === '__metadata__') continue;
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) throw damaged(file, `the header's entry for ${name} cannot be read`);
    const { dtype, shape, data_offsets } = parsed.data;
    const [start, end] = data_offsets;
    if (end < start || end > dataBytes || end - start !== elementCount(shape) * ELEMENT_SIZES[dtype]) {
      throw damaged(file, `the tensor ${name} does not fit into it`);
    }
    entries.set(name, parsed.data);
  }
  return entries;
}

export interface OpenCheckpoint extends TensorReader {
  close(): Promise<void>;
}

/**
 * Opens a safetensors file: reads its header only; tensors are read one by one when asked for.
 * Throws MumuError not_found (no such file) or damaged_pack (naming the file and what is wrong with it).
 */
export async function openSafetensors(path: string): Promise<OpenCheckpoint> {
  const file = basename(path);
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    throw new MumuError('not_found', `The checkpoint file ${file} cannot be opened.`, { cause });
  }
  try {
    const { size } = await handle.stat();
    const length = new Uint8Array(LENGTH_BYTES);
    await handle.read(length, 0, LENGTH_BYTES, 0);
    const headerBytes = Number(new DataView(length.buffer).getBigUint64(0, true));
    if (size < LENGTH_BYTES || headerBytes > LARGEST_HEADER || LENGTH_BYTES + headerBytes > size) {
      throw damaged(file, 'its header is cut short');
    }
    const text = new Uint8Array(headerBytes);
    await handle.read(text, 0, headerBytes, LENGTH_BYTES);
    const dataStart = LENGTH_BYTES + headerBytes;
    const entries = parseHeader(new TextDecoder().decode(text), file, size - dataStart);
    const reader = new SafetensorsReader(handle, file, entries, dataStart, '');
    return Object.assign(reader, { close: () => handle.close() });
  } catch (error) {
    await handle.close();
    throw error;
  }
}
