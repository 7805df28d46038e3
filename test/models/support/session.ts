import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Graph } from '#models/graph/graph';
import { encodeGraph } from '#models/graph/save';

/** A float or int64 array with its shape: what goes into a graph and comes out of it. */
export interface TestTensor {
  dims: readonly number[];
  data: Float32Array | BigInt64Array;
}

/** A built graph, loaded; `run` takes and gives tensors by name. */
export interface TestSession {
  run(inputs: Record<string, TestTensor>): Promise<Record<string, TestTensor>>;
  release(): Promise<void>;
}

/** Builds the ONNX bytes of a graph (weights inside) and opens an onnxruntime session on them. */
export async function openGraph(graph: Graph): Promise<TestSession> {
  const session = await InferenceSession.create(await encodeGraph(graph), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    run: async (inputs) => {
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, { dims, data }]) => [
          name,
          data instanceof Float32Array ? new Tensor('float32', data, dims) : new Tensor('int64', data, dims),
        ]),
      );
      const results = await session.run(feeds);
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => [
          name,
          { dims: tensor.dims, data: tensor.data as Float32Array | BigInt64Array },
        ]),
      );
    },
    release: () => session.release(),
  };
}

/** Opens the graph, runs it once and lets it go. */
export async function runGraph(
  graph: Graph,
  inputs: Record<string, TestTensor>,
): Promise<Record<string, TestTensor>> {
  const session = await openGraph(graph);
  try {
    return await session.run(inputs);
  } finally {
    await session.release();
  }
}

/** Floats by their values. */
export const floats = (dims: readonly number[], data: ArrayLike<number>): TestTensor => ({
  dims,
  data: Float32Array.from(data),
});

/** int64 by its values. */
export const integers = (dims: readonly number[], data: readonly number[]): TestTensor => ({
  dims,
  data: BigInt64Array.from(data, BigInt),
});

/** The floats of a result; throws where it is absent or holds integers. */
export function floatsOf(results: Record<string, TestTensor>, name: string): Float32Array {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`no floats named ${name}`);
  return data;
}
