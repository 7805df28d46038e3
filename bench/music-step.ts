/**
 * Milliseconds of one step of the music decoder (two rows: with and without the prompt, as guidance needs) and the
 * codec's speed, on random weights of a model's true dimensions, beside PyTorch in the same run. Ratios are of
 * processor time: divided by the threads it is what the clock shows on an idle machine.
 *
 *   npx tsx --conditions=mumu-source bench/music-step.ts [mini|small] [--threads N] [--steps N] [--no-python]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildCodecDecoder, encodecConfigSchema, hopLength } from '#models/architectures/encodec';
import { buildMusicStep, musicgenDecoderConfigSchema } from '#models/architectures/musicgen';
import type { Graph } from '#models/graph/graph';
import { saveGraph, WeightFile } from '#models/graph/save';
import { encodecShapes, musicgenShapes, randomReader } from '#test/models/support/random-weights';

const MODELS = {
  mini: {
    decoder: {
      vocab_size: 512,
      hidden_size: 192,
      num_hidden_layers: 6,
      num_attention_heads: 6,
      ffn_dim: 768,
      num_codebooks: 6,
    },
    codec: {
      sampling_rate: 16_000,
      target_bandwidths: [1.35],
      num_filters: 16,
      hidden_size: 128,
      upsampling_ratios: [8, 5, 4, 4],
      codebook_size: 512,
      num_lstm_layers: 1,
      use_causal_conv: false,
    },
    textWidth: 128,
    precisions: ['fp32', 'int8', 'int4'],
  },
  small: {
    decoder: {
      vocab_size: 2048,
      hidden_size: 1024,
      num_hidden_layers: 24,
      num_attention_heads: 16,
      ffn_dim: 4096,
      num_codebooks: 4,
    },
    codec: {
      sampling_rate: 32_000,
      target_bandwidths: [2.2],
      num_filters: 64,
      hidden_size: 128,
      upsampling_ratios: [8, 5, 4, 4],
      codebook_size: 2048,
      num_lstm_layers: 2,
      use_causal_conv: false,
      use_conv_shortcut: false,
    },
    textWidth: 768,
    // 32 bit weights would take 1.6 GB.
    precisions: ['int8', 'int4'],
  },
} as const;

const BATCH = 2;
const CONDITION_LENGTH = 32;
const CONTEXTS = [64, 250];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    'no-python': { type: 'boolean', default: false },
  },
});
const name = positionals[0] === 'small' ? 'small' : 'mini';
const model = MODELS[name];
const threads = Number(options.threads);
const steps = Number(options.steps);
const config = musicgenDecoderConfigSchema.parse(model.decoder);
const headDim = config.hidden_size / config.num_attention_heads;

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}

interface Times {
  /** Median milliseconds by the clock. */
  clock: number;
  /** Mean milliseconds of processor time over all threads, which other processes do not lengthen. */
  processor: number;
}

async function timed(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  count: number,
): Promise<Times> {
  for (let index = 0; index < 5; index++) await session.run(feeds);
  const times: number[] = [];
  const before = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await session.run(feeds);
    times.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  return { clock: median(times), processor: (user + system) / 1000 / count };
}

async function open(graph: Graph): Promise<InferenceSession> {
  const folder = mkdtempSync(join(tmpdir(), 'mumu-bench-'));
  try {
    const file = await WeightFile.create(join(folder, 'weights.bin'));
    const saved = await saveGraph(graph, folder, file);
    await file.close();
    return await InferenceSession.create(join(folder, saved.name), {
      intraOpNumThreads: threads,
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const floats = (dims: number[], value: number) =>
  new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b)).fill(value), dims);
const integers = (dims: number[], value: number) =>
  new Tensor('int64', new BigInt64Array(dims.reduce((a, b) => a * b)).fill(BigInt(value)), dims);

function stepFeeds(context: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {
    codes: integers([BATCH, config.num_codebooks], 7),
    position: integers([1], context),
    mask: floats([context], 0),
    condition_mask: floats([BATCH, CONDITION_LENGTH], 1),
  };
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    for (const kind of ['key', 'value']) {
      feeds[`${kind}_cache.${layer}`] = floats([BATCH, config.num_attention_heads, context, headDim], 0.1);
      feeds[`cross_${kind}.${layer}`] = floats(
        [BATCH, config.num_attention_heads, CONDITION_LENGTH, headDim],
        0.1,
      );
    }
  }
  return feeds;
}

/** PyTorch's own figures by context, from transformers' decoder of the same dimensions. */
function pythonTimes(): Record<string, number> | undefined {
  if (options['no-python']) return undefined;
  const python = process.env.MUMU_PYTHON ?? '.venv/bin/python';
  const settings = {
    ...model.decoder,
    batch: BATCH,
    condition: CONDITION_LENGTH,
    contexts: CONTEXTS,
    threads,
    steps,
  };
  try {
    const output = execFileSync(python, ['-m', 'mumu_training.bench_music_step', JSON.stringify(settings)], {
      // Threads that spin while they wait would count as work.
      env: { ...process.env, PYTHONPATH: 'training/src', OMP_WAIT_POLICY: 'passive' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(output) as Record<string, number>;
  } catch {
    console.warn('PyTorch was not measured: the training environment is not there.');
    return undefined;
  }
}

const line = (clock: number, processor: number) =>
  `${clock.toFixed(2)} ms (processor ${processor.toFixed(2)} ms)`;

const reference = pythonTimes();
const weights = randomReader(musicgenShapes(config, model.textWidth), 1);
console.log(`${name}, batch ${BATCH}, ${threads} threads, medians of ${steps}`);
for (const context of CONTEXTS) {
  if (reference)
    console.log(`PyTorch fp32  context ${context}: ${reference[context]?.toFixed(2)} ms a step (processor)`);
}
for (const precision of model.precisions) {
  const session = await open(buildMusicStep(weights, config, { precision }));
  for (const context of CONTEXTS) {
    const { clock, processor } = await timed(session, stepFeeds(context), steps);
    const torch = reference?.[context];
    const ratio = torch ? `, ${(torch / processor).toFixed(1)} x PyTorch's speed` : '';
    console.log(`${precision.padEnd(12)}  context ${context}: ${line(clock, processor)} a step${ratio}`);
  }
  await session.release();
}
const codec = encodecConfigSchema.parse(model.codec);
const frames = Math.round((10 * codec.sampling_rate) / hopLength(codec));
const session = await open(buildCodecDecoder(randomReader(encodecShapes(codec), 2), codec));
const { clock, processor } = await timed(
  session,
  { codes: integers([1, config.num_codebooks, frames], 5) },
  3,
);
console.log(`codec decoder: ${line(clock, processor)} for 10 s of music`);
await session.release();
