import { buildInjection } from '#models/architectures/injection';
import { buildLlamaPrefill, buildLlamaStep } from '#models/architectures/llama';
import { injectedLayers, type LlamaDims } from '#models/architectures/llama-weights';
import type { Graph } from '#models/graph/graph';
import { compare } from './compare.js';
import {
  caseFloats,
  caseIntegers,
  type ParityCase,
  type ParityCheck,
  type ParityResult,
} from './parity-case.js';
import { floats, floatsOf, integers, openGraph, type TestSession, type TestTensor } from './session.js';

const languageOf = (parityCase: ParityCase): LlamaDims =>
  (parityCase.config as { language: LlamaDims }).language;
const casesOf = (parityCase: ParityCase): string[] => parityCase.facts.cases as string[];

/** Index of the largest number. */
export function argmax(numbers: Float32Array): number {
  let best = 0;
  for (let index = 1; index < numbers.length; index++) {
    if ((numbers[index] as number) > (numbers[best] as number)) best = index;
  }
  return best;
}

/** The cache of one sequence as the engine keeps it: `[heads, capacity, headDim]` per layer, and its mask. */
class Cache {
  readonly feeds: Record<string, TestTensor> = {};
  readonly mask: Float32Array;
  length = 0;

  constructor(
    readonly config: LlamaDims,
    readonly capacity: number,
  ) {
    const { n_layers, n_heads, dim } = config;
    for (const kind of ['key', 'value']) {
      for (let layer = 0; layer < n_layers; layer++) {
        const dims = [n_heads, capacity, dim / n_heads];
        // Rows that are not filled must not matter, whatever is in them.
        const data = new Float32Array(capacity * dim).fill(3);
        this.feeds[`${kind}_cache.${layer}`] = { dims, data };
      }
    }
    this.mask = new Float32Array(capacity).fill(-1e9);
    this.feeds.mask = { dims: [capacity], data: this.mask };
  }

  /** Appends rows `[layers, heads, count, headDim]`. */
  append(keys: Float32Array, values: Float32Array, count: number): void {
    const { n_layers, n_heads, dim } = this.config;
    const width = dim / n_heads;
    for (const [kind, rows] of Object.entries({ key: keys, value: values })) {
      for (let layer = 0; layer < n_layers; layer++) {
        const cache = this.feeds[`${kind}_cache.${layer}`]?.data as Float32Array;
        for (let head = 0; head < n_heads; head++) {
          const from = (layer * n_heads + head) * count * width;
          cache.set(rows.subarray(from, from + count * width), (head * this.capacity + this.length) * width);
        }
      }
    }
    this.mask.fill(0, this.length, this.length + count);
    this.length += count;
  }
}

interface Decoded {
  hidden: Float32Array;
  logits: Float32Array;
  stepHidden: Float32Array;
  stepLogits: Float32Array;
  produced: number[];
}

/** Prefill, then `count` greedy tokens one at a time against the cache. */
async function decode(
  sessions: { prefill: TestSession; step: TestSession },
  config: LlamaDims,
  tokens: readonly number[],
  injection: TestTensor,
  count: number,
): Promise<Decoded> {
  const prefill = await sessions.prefill.run({ input_ids: integers([1, tokens.length], tokens), injection });
  const cache = new Cache(config, tokens.length + count);
  cache.append(floatsOf(prefill, 'keys'), floatsOf(prefill, 'values'), tokens.length);
  const hidden = floatsOf(prefill, 'hidden');
  const logits = floatsOf(prefill, 'logits');
  const produced = [argmax(logits)];
  let stepHidden = hidden;
  let stepLogits = logits;
  while (produced.length < count) {
    const results = await sessions.step.run({
      input_ids: integers([1], produced.slice(-1)),
      position: integers([1], [cache.length]),
      injection,
      ...cache.feeds,
    });
    cache.append(floatsOf(results, 'new_keys'), floatsOf(results, 'new_values'), 1);
    if (produced.length === 1) {
      stepHidden = floatsOf(results, 'hidden');
      stepLogits = floatsOf(results, 'logits');
    }
    produced.push(argmax(floatsOf(results, 'logits')));
  }
  return { hidden, logits, stepHidden, stepLogits, produced };
}

const equalTokens = (actual: readonly number[], reference: readonly number[]) => ({
  equal: reference.filter((token, index) => token === actual[index]).length,
  of: reference.length,
});

function languageGraphs(parityCase: ParityCase): [Graph, Graph] {
  const config = languageOf(parityCase);
  return [buildLlamaPrefill(parityCase.weights, config), buildLlamaStep(parityCase.weights, config)];
}

async function openLanguage(parityCase: ParityCase): Promise<{ prefill: TestSession; step: TestSession }> {
  const [prefill, step] = languageGraphs(parityCase);
  return { prefill: await openGraph(prefill), step: await openGraph(step) };
}

const lastRow = (rows: Float32Array, width: number): Float32Array => rows.subarray(rows.length - width);

/** LLaMA with LoRA, biases and injection, against the training package's own model. */
const language: ParityCheck = {
  name: 'language',
  graphs: languageGraphs,
  compare: async (parityCase) => {
    const config = languageOf(parityCase);
    const { first, count } = injectedLayers(config);
    const sessions = await openLanguage(parityCase);
    const results: ParityResult[] = [];
    for (const name of casesOf(parityCase)) {
      const batch = parityCase.tensors.shape(`in.${name}.tokens`)[0] as number;
      for (let row = 0; row < batch; row++) {
        const expected = async (key: string) =>
          (await caseFloats(parityCase, `out.${name}.${key}`, row)).data as Float32Array;
        const greedy = await caseIntegers(parityCase, `out.${name}.greedy`, row);
        const everyLayer = await caseFloats(parityCase, `in.${name}.injection`, row);
        const injection = floats(
          [count, config.dim],
          (everyLayer.data as Float32Array).subarray(first * config.dim),
        );
        const tokens = await caseIntegers(parityCase, `in.${name}.tokens`, row);
        const decoded = await decode(sessions, config, tokens, injection, greedy.length);
        const label = `${name}, row ${row}`;
        results.push(
          { what: `hidden, ${label}`, ...compare(decoded.hidden, await expected('hidden')) },
          {
            what: `logits, ${label}`,
            ...compare(decoded.logits, lastRow(await expected('logits'), config.vocab_size)),
            tokens: equalTokens(decoded.produced, greedy),
          },
          {
            what: `hidden of a step, ${label}`,
            ...compare(decoded.stepHidden, await expected('step_hidden')),
          },
          {
            what: `logits of a step, ${label}`,
            ...compare(decoded.stepLogits, await expected('step_logits')),
          },
        );
      }
    }
    await Promise.all([sessions.prefill.release(), sessions.step.release()]);
    return results;
  },
};

/** Plain LLaMA against transformers' LlamaForCausalLM, which rotates halves: an independent check of the order. */
const languageTransformers: ParityCheck = {
  name: 'language-transformers',
  graphs: languageGraphs,
  compare: async (parityCase) => {
    const config = languageOf(parityCase);
    const sessions = await openLanguage(parityCase);
    const tokens = await caseIntegers(parityCase, 'in.plain.tokens', 0);
    const greedy = await caseIntegers(parityCase, 'out.plain.greedy', 0);
    const logits = (await caseFloats(parityCase, 'out.plain.logits', 0)).data as Float32Array;
    const decoded = await decode(sessions, config, tokens, floats([0, config.dim], []), greedy.length);
    await Promise.all([sessions.prefill.release(), sessions.step.release()]);
    return [
      {
        what: 'logits',
        ...compare(decoded.logits, lastRow(logits, config.vocab_size)),
        tokens: equalTokens(decoded.produced, greedy),
      },
    ];
  },
};

/** What the adapters add, for every choice of song, picture and clip. */
const injection: ParityCheck = {
  name: 'injection',
  graphs: (parityCase) => [buildInjection(parityCase.weights, languageOf(parityCase))],
  compare: async (parityCase) => {
    const config = languageOf(parityCase);
    const { first } = injectedLayers(config);
    const session = await openGraph(buildInjection(parityCase.weights, config));
    const results: ParityResult[] = [];
    for (const name of casesOf(parityCase)) {
      const batch = parityCase.tensors.shape(`out.${name}.injection`)[0] as number;
      for (let row = 0; row < batch; row++) {
        const feeds: Record<string, TestTensor> = {};
        for (const modality of ['audio', 'image', 'video']) {
          const key = `in.${name}.${modality}`;
          const present = parityCase.tensors.has(key);
          const feature = present
            ? (await caseFloats(parityCase, key, row)).data
            : new Float32Array(config.dim);
          feeds[modality] = { dims: [1, config.dim], data: feature };
        }
        const actual = floatsOf(await session.run(feeds), 'injection');
        const expected = await caseFloats(parityCase, `out.${name}.injection`, row);
        const injected = (expected.data as Float32Array).subarray(first * config.dim);
        results.push({ what: `${name}, row ${row}`, ...compare(actual, injected) });
      }
    }
    await session.release();
    return results;
  },
};

export const languageChecks: readonly ParityCheck[] = [language, languageTransformers, injection];
