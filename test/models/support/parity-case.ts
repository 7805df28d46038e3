import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenCheckpoint, openSafetensors } from '#models/checkpoint/safetensors';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import type { Graph } from '#models/graph/graph';
import { encodeGraph } from '#models/graph/save';
import type { Difference } from './compare.js';
import { runPython } from './python.js';
import type { TestTensor } from './session.js';

/** One case as training/src/mumu_training/parity_cases writes it, opened. */
export interface ParityCase {
  name: string;
  /** Configuration as in checkpoint.json; its reader knows its shape. */
  config: unknown;
  facts: Record<string, unknown>;
  weights: TensorReader;
  /** Inputs under `in.`, expected outputs under `out.`. */
  tensors: TensorReader;
}

/** One line of the parity table: a graph against PyTorch. */
export interface ParityResult extends Difference {
  /** What was compared, e.g. `logits, audio and image`. */
  what: string;
  /** Greedy tokens (or codes) that agree, of how many; absent where nothing is discrete. */
  tokens?: { equal: number; of: number };
}

/** A comparison that both the tests and `npm run parity` run. */
export interface ParityCheck {
  /** Name of the case in training/src/mumu_training/parity_cases. */
  name: string;
  /** The graphs the case is about, for ONNX's checker. */
  graphs(parityCase: ParityCase): Graph[];
  /** Runs them on the case's inputs and compares with its outputs. */
  compare(parityCase: ParityCase): Promise<ParityResult[]>;
}

/** A float tensor of the case; `row` takes one entry of its first axis. */
export async function caseFloats(parityCase: ParityCase, name: string, row?: number): Promise<TestTensor> {
  const dims = parityCase.tensors.shape(name);
  const data = await parityCase.tensors.read(name);
  if (row === undefined) return { dims, data };
  const size = data.length / (dims[0] as number);
  return { dims: dims.slice(1), data: data.slice(row * size, (row + 1) * size) };
}

/** An integer tensor of the case as plain numbers (they are read as floats, exact below 2^24). */
export async function caseIntegers(parityCase: ParityCase, name: string, row?: number): Promise<number[]> {
  return Array.from((await caseFloats(parityCase, name, row)).data as Float32Array);
}

/** A folder of cases that Python wrote; `close` removes it. */
export interface ParityCases {
  get(name: string): ParityCase;
  close(): Promise<void>;
}

/** Has one Python process write the named cases and opens them. */
export async function makeCases(names: readonly string[]): Promise<ParityCases> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-parity-'));
  const open: OpenCheckpoint[] = [];
  const cases = new Map<string, ParityCase>();
  await runPython('mumu_training.parity_cases', [folder, ...names]);
  for (const name of names) {
    const text = await readFile(join(folder, name, 'config.json'), 'utf8');
    const { config, facts } = JSON.parse(text) as { config: unknown; facts: Record<string, unknown> };
    const weights = await openSafetensors(join(folder, name, 'model.safetensors'));
    const tensors = await openSafetensors(join(folder, name, 'tensors.safetensors'));
    open.push(weights, tensors);
    cases.set(name, { name, config, facts, weights, tensors });
  }
  return {
    get: (name) => {
      const found = cases.get(name);
      if (!found) throw new Error(`the case ${name} was not made`);
      return found;
    },
    close: async () => {
      for (const file of open) await file.close();
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * Puts graphs through ONNX's own checker and strict shape inference, all in one Python process; returns what it
 * found wrong (an empty text when nothing is).
 */
export async function checkGraphs(graphs: readonly Graph[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-check-'));
  try {
    const files: string[] = [];
    for (const [index, graph] of graphs.entries()) {
      const file = join(folder, `${index}-${graph.name}.onnx`);
      await writeFile(file, await encodeGraph(graph));
      files.push(file);
    }
    return await runPython('mumu_training.parity_cases._check_graphs', files).catch((error: unknown) =>
      String((error as { stdout?: string }).stdout || error),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
