import {
  buildMusicCondition,
  buildMusicPrefill,
  buildMusicStep,
  type MusicgenDecoderConfig,
  musicgenDecoderConfigSchema,
} from '#models/architectures/musicgen';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import type { WeightPrecision } from '#models/graph/types';
import {
  applyDelay,
  type CodeGrid,
  column,
  type DelayPattern,
  fillColumn,
  knownColumns,
  revertDelay,
} from '#models/music/delay-pattern';
import { compare } from './compare.js';
import {
  caseFloats,
  caseIntegers,
  type ParityCase,
  type ParityCheck,
  type ParityResult,
} from './parity-case.js';
import { argmax } from './parity-language.js';
import { floatsOf, integers, openGraph, type TestSession, type TestTensor } from './session.js';

/** A music decoder's weights with what is needed to build its graphs. */
export interface MusicModel {
  weights: TensorReader;
  config: MusicgenDecoderConfig;
  textWidth: number;
}

/** The text that music is made for: condition [prompts, Lc, textWidth] and its mask [prompts, Lc]. */
export interface MusicPrompts {
  condition: TestTensor;
  mask: TestTensor;
  guidance: number;
}

function modelOf(parityCase: ParityCase): MusicModel {
  const config = parityCase.config as { music_decoder: unknown; text_encoder: { d_model: number } };
  return {
    weights: parityCase.weights,
    config: musicgenDecoderConfigSchema.parse(config.music_decoder),
    textWidth: config.text_encoder.d_model,
  };
}

export function musicgenGraphs(model: MusicModel, precision: WeightPrecision = 'fp32') {
  const { weights, config, textWidth } = model;
  return {
    condition: buildMusicCondition(weights, config, textWidth, { precision }),
    prefill: buildMusicPrefill(weights, config, { precision }),
    step: buildMusicStep(weights, config, { precision }),
  };
}

/** Keys and values of a batch as the engine keeps them: [batch, heads, capacity, headDim] per layer. */
class MusicCache {
  readonly feeds: Record<string, TestTensor> = {};
  readonly #mask: Float32Array;
  length = 0;

  constructor(
    readonly config: MusicgenDecoderConfig,
    readonly batch: number,
    readonly capacity: number,
  ) {
    const { num_hidden_layers, num_attention_heads, hidden_size } = config;
    for (const kind of ['key', 'value']) {
      for (let layer = 0; layer < num_hidden_layers; layer++) {
        const dims = [batch, num_attention_heads, capacity, hidden_size / num_attention_heads];
        // Rows that are not filled must not matter, whatever is in them.
        const data = new Float32Array(batch * capacity * hidden_size).fill(3);
        this.feeds[`${kind}_cache.${layer}`] = { dims, data };
      }
    }
    this.#mask = new Float32Array(capacity).fill(-1e9);
    this.feeds.mask = { dims: [capacity], data: this.#mask };
  }

  /** Appends rows [layers, batch, heads, count, headDim]. */
  append(keys: Float32Array, values: Float32Array, count: number): void {
    const { num_hidden_layers, num_attention_heads, hidden_size } = this.config;
    const width = hidden_size / num_attention_heads;
    const lanes = this.batch * num_attention_heads;
    for (const [kind, rows] of Object.entries({ key: keys, value: values })) {
      for (let layer = 0; layer < num_hidden_layers; layer++) {
        const cache = this.feeds[`${kind}_cache.${layer}`]?.data as Float32Array;
        for (let lane = 0; lane < lanes; lane++) {
          const from = (layer * lanes + lane) * count * width;
          cache.set(rows.subarray(from, from + count * width), (lane * this.capacity + this.length) * width);
        }
      }
    }
    this.#mask.fill(0, this.length, this.length + count);
    this.length += count;
  }
}

/** uncond + guidance * (cond - uncond), argmax: the codes [prompts][codebooks] of one step. */
function guidedCodes(logits: Float32Array, config: MusicgenDecoderConfig, guidance: number): number[][] {
  const { num_codebooks: codebooks, vocab_size: card } = config;
  const prompts = logits.length / (2 * codebooks * card);
  return Array.from({ length: prompts }, (_, prompt) =>
    Array.from({ length: codebooks }, (_, codebook) => {
      const at = (row: number) => logits.subarray((row * codebooks + codebook) * card).subarray(0, card);
      const unconditional = at(prompts + prompt);
      const guided = at(prompt).map((number, index) => {
        const free = unconditional[index] as number;
        return free + guidance * (number - free);
      });
      return argmax(guided);
    }),
  );
}

/** int64 [2 * prompts, codebooks, count]: columns `from` to `from + count` of every grid, then the same again. */
function columnsOf(grids: readonly CodeGrid[], from: number, count: number, dims: number[]): TestTensor {
  const rows = grids.flatMap((grid) =>
    Array.from({ length: grid.codebooks }, (_, codebook) =>
      Array.from(grid.data.subarray(codebook * grid.steps + from, codebook * grid.steps + from + count)),
    ).flat(),
  );
  return integers(dims, [...rows, ...rows]);
}

export interface GeneratedMusic {
  grids: CodeGrid[];
  /** Of every step from the end of the prefill on: [2 * prompts, codebooks, card]. */
  logits: Float32Array[];
}

export interface MusicSessions {
  condition: TestSession;
  prefill: TestSession;
  step: TestSession;
}

/**
 * Greedy music under guidance. The first `given` columns of `known` are prefilled in one run, the rest is predicted
 * step by step against the cache; with `follow` the columns of `known` are fed in place of the predictions.
 */
export async function generateMusic(
  sessions: MusicSessions,
  config: MusicgenDecoderConfig,
  prompts: MusicPrompts,
  known: readonly CodeGrid[],
  given: number,
  follow = false,
): Promise<GeneratedMusic> {
  const pattern = patternOf(config);
  const batch = 2 * known.length;
  const doubled = (tensor: TestTensor) => {
    const data = new Float32Array(tensor.data.length * 2);
    data.set(tensor.data as Float32Array);
    return { dims: [batch, ...tensor.dims.slice(1)], data };
  };
  const condition_mask = doubled(prompts.mask);
  const cross = await sessions.condition.run({ condition: doubled(prompts.condition), condition_mask });

  const first = known[0] as CodeGrid;
  const frames = first.steps - config.num_codebooks / config.audio_channels;
  const empty = { codebooks: config.num_codebooks, steps: 0, data: new Int32Array(0) };
  const grids = known.map((grid) => {
    const delayed = applyDelay(pattern, empty, frames);
    const columns = follow ? grid.steps : given;
    for (let step = 0; step < columns; step++) fillColumn(delayed, step, column(grid, step));
    return delayed;
  });
  const cache = new MusicCache(config, batch, first.steps + 3);
  const prefilled = await sessions.prefill.run({
    codes: columnsOf(grids, 0, given, [batch, config.num_codebooks, given]),
    condition_mask,
    ...cross,
  });
  cache.append(floatsOf(prefilled, 'keys'), floatsOf(prefilled, 'values'), given);
  const logits = [floatsOf(prefilled, 'logits')];
  for (let step = given; ; step++) {
    const codes = guidedCodes(logits.at(-1) as Float32Array, config, prompts.guidance);
    for (const [index, grid] of grids.entries()) fillColumn(grid, step, codes[index] as number[]);
    if (step === first.steps - 1) return { grids, logits };
    const results = await sessions.step.run({
      codes: columnsOf(grids, step, 1, [batch, config.num_codebooks]),
      position: integers([1], [step]),
      condition_mask,
      ...cross,
      ...cache.feeds,
    });
    cache.append(floatsOf(results, 'new_keys'), floatsOf(results, 'new_values'), 1);
    logits.push(floatsOf(results, 'logits'));
  }
}

export function patternOf(config: MusicgenDecoderConfig): DelayPattern {
  return { codebooks: config.num_codebooks, channels: config.audio_channels, pad: config.vocab_size };
}

/** The delayed codes that transformers produced, one grid a prompt. */
async function expectedGrids(parityCase: ParityCase): Promise<CodeGrid[]> {
  const [prompts, codebooks, steps] = parityCase.tensors.shape('out.delayed') as [number, number, number];
  const all = Int32Array.from(await caseIntegers(parityCase, 'out.delayed'));
  const size = codebooks * steps;
  return Array.from({ length: prompts }, (_, prompt) => ({
    codebooks,
    steps,
    data: all.slice(prompt * size, (prompt + 1) * size),
  }));
}

export async function openMusicgen(
  model: MusicModel,
  precision: WeightPrecision = 'fp32',
): Promise<MusicSessions> {
  const graphs = musicgenGraphs(model, precision);
  const [condition, prefill, step] = await Promise.all(Object.values(graphs).map(openGraph));
  return { condition, prefill, step } as MusicSessions;
}

export async function closeMusicgen(sessions: MusicSessions): Promise<void> {
  for (const session of [sessions.condition, sessions.prefill, sessions.step]) await session.release();
}

/** Greedy codes and the logits of every step, from the start column alone and after a prefill of ten columns. */
function musicgen(name: string): ParityCheck {
  return {
    name,
    graphs: (parityCase) => Object.values(musicgenGraphs(modelOf(parityCase))),
    compare: async (parityCase) => {
      const model = modelOf(parityCase);
      const { config } = model;
      const sessions = await openMusicgen(model);
      const prompts: MusicPrompts = {
        condition: await caseFloats(parityCase, 'in.condition'),
        mask: await caseFloats(parityCase, 'in.condition_mask'),
        guidance: parityCase.facts.guidance as number,
      };
      const expected = await expectedGrids(parityCase);
      const codes = await caseIntegers(parityCase, 'out.codes');
      const logits = (await caseFloats(parityCase, 'out.logits')).data as Float32Array;
      const results: ParityResult[] = [];
      for (const given of [1, 10]) {
        const generated = await generateMusic(sessions, config, prompts, expected, given);
        const actual = generated.grids.flatMap((grid) =>
          Array.from(revertDelay(patternOf(config), grid).data),
        );
        const size = (generated.logits[0] as Float32Array).length;
        const together = new Float32Array(generated.logits.length * size);
        for (const [index, step] of generated.logits.entries()) together.set(step, index * size);
        results.push({
          what: `logits of ${generated.logits.length} steps after ${given}`,
          ...compare(together, logits.subarray((given - 1) * size)),
          tokens: { equal: codes.filter((code, index) => code === actual[index]).length, of: codes.length },
        });
      }
      await closeMusicgen(sessions);
      return results;
    },
  };
}

/** Padding, prompt and what is left to predict, against transformers' build_delay_pattern_mask. */
function delayPattern(name: string): ParityCheck {
  return {
    name,
    graphs: () => [],
    compare: async (parityCase) => {
      const pattern = parityCase.facts as unknown as DelayPattern;
      const results: ParityResult[] = [];
      for (const [steps, frames, known] of parityCase.facts.sizes as [number, number, number][]) {
        const key = `in.prompt.${steps}.${frames}`;
        const codes = parityCase.tensors.has(key) ? await caseIntegers(parityCase, key) : [];
        const prompt = { codebooks: pattern.codebooks, steps, data: Int32Array.from(codes) };
        const delayed = applyDelay(pattern, prompt, frames);
        const expected = await caseIntegers(parityCase, `out.pattern.${steps}.${frames}`);
        const equal = expected.filter((code, index) => code === delayed.data[index]).length;
        results.push({
          what: `pattern of ${frames} frames, ${steps} given`,
          largest:
            delayed.data.length === expected.length && knownColumns(delayed) === known ? 0 : Number.NaN,
          mean: 0,
          tokens: { equal, of: expected.length },
        });
      }
      return results;
    },
  };
}

export const musicgenChecks: readonly ParityCheck[] = [
  ...['musicgen-tiny', 'musicgen-stereo', 'musicgen-mini'].map(musicgen),
  ...['delay-pattern-mono', 'delay-pattern-stereo'].map(delayPattern),
];
