/**
 * The understanding side at the published models' true dimensions, on random weights: that the graphs are built tensor
 * by tensor, how large they are, how long a run takes, and what quantisation costs in accuracy. LLaMA is cut to a few
 * layers (--layers), from which a whole token is extrapolated.
 *
 *   npx tsx --conditions=mumu-source bench/understanding.ts [llama|mert] [--layers N] [--threads N] [--runs N]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildHubert } from '#models/architectures/hubert';
import { buildLlamaStep } from '#models/architectures/llama';
import type { Graph } from '#models/graph/graph';
import { saveGraph, WeightFile } from '#models/graph/save';
import type { WeightPrecision } from '#models/graph/types';
import { compare, randomFloats } from '#test/models/support/compare';
import { randomReader } from '#test/models/support/random-weights';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    layers: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '10' },
  },
});
const runs = Number(options.runs);
const CONTEXT = 256;
const MERT_SECONDS = 5;

const LLAMA = {
  dim: 4096,
  n_layers: Number(options.layers),
  n_heads: 32,
  vocab_size: 32_008,
  hidden_dim: 11_008,
  norm_eps: 1e-5,
  rope_theta: 10_000,
  max_seq_len: 1024,
  query_layer: 0,
};
const WHOLE_LAYERS = 32;

const MERT = {
  hidden_size: 1024,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  conv_kernel: [10, 3, 3, 3, 3, 2, 2],
  conv_stride: [5, 2, 2, 2, 2, 2, 2],
  feat_extract_norm: 'layer',
  feat_extract_activation: 'gelu',
  feat_proj_layer_norm: true,
  do_stable_layer_norm: true,
  num_conv_pos_embeddings: 128,
  num_conv_pos_embedding_groups: 16,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-5,
  tie_last_hidden_states: true,
} as const;

type Shapes = Map<string, number[]>;

/** MU-LLaMA's own layout: LoRA of rank 16 on every matrix, biases on wq, wo, w1, w2, w3. */
function llamaShapes(): Shapes {
  const { dim, hidden_dim, vocab_size, n_layers } = LLAMA;
  const shapes: Shapes = new Map([
    ['llama.tok_embeddings.weight', [vocab_size, dim]],
    ['llama.norm.weight', [dim]],
    ['llama.output.weight', [vocab_size, dim]],
  ]);
  const linear = (layer: string, part: string, name: string, out: number, inner: number, bias: boolean) => {
    shapes.set(`${layer}.${part}.${name}.weight`, [out, inner]);
    shapes.set(`${layer}.${part}.lora_${name}_l1.weight`, [16, inner]);
    shapes.set(`${layer}.${part}.lora_${name}_l2.weight`, [out, 16]);
    if (bias) shapes.set(`${layer}.${part}.${name}.bias`, [out]);
  };
  for (let index = 0; index < n_layers; index++) {
    const layer = `llama.layers.${index}`;
    for (const name of ['wq', 'wk', 'wv', 'wo']) {
      linear(layer, 'attention', name, dim, dim, name === 'wq' || name === 'wo');
    }
    linear(layer, 'feed_forward', 'w1', hidden_dim, dim, true);
    linear(layer, 'feed_forward', 'w2', dim, hidden_dim, true);
    linear(layer, 'feed_forward', 'w3', hidden_dim, dim, true);
    for (const name of ['attention_norm', 'ffn_norm']) shapes.set(`${layer}.${name}.weight`, [dim]);
  }
  return shapes;
}

function mertShapes(): Shapes {
  const { hidden_size: width, num_hidden_layers, conv_kernel } = MERT;
  const channels = 512;
  const feedForward = 4096;
  const shapes: Shapes = new Map();
  const both = (name: string, ...dims: number[]) =>
    shapes.set(`${name}.weight`, dims).set(`${name}.bias`, [dims[0] as number]);
  conv_kernel.forEach((kernel, index) => {
    const name = `mert_model.feature_extractor.conv_layers.${index}`;
    both(`${name}.conv`, channels, index === 0 ? 1 : channels, kernel);
    both(`${name}.layer_norm`, channels);
  });
  both('mert_model.feature_projection.layer_norm', channels);
  both('mert_model.feature_projection.projection', width, channels);
  both('mert_model.encoder.pos_conv_embed.conv', width, width / 16, 128);
  both('mert_model.encoder.layer_norm', width);
  for (let index = 0; index < num_hidden_layers; index++) {
    const layer = `mert_model.encoder.layers.${index}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      both(`${layer}.attention.${name}`, width, width);
    both(`${layer}.feed_forward.intermediate_dense`, feedForward, width);
    both(`${layer}.feed_forward.output_dense`, width, feedForward);
    for (const name of ['layer_norm', 'final_layer_norm']) both(`${layer}.${name}`, width);
  }
  shapes.set('mu_mert_agg.weight', [1, num_hidden_layers + 1, 1]).set('mu_mert_agg.bias', [1]);
  return shapes.set('mu_mert_rnn.weight_ih_l0', [width, width]);
}

function llamaFeeds(): Record<string, Tensor> {
  const { n_layers, n_heads, dim } = LLAMA;
  const cache = [n_heads, CONTEXT, dim / n_heads];
  const feeds: Record<string, Tensor> = {
    input_ids: new Tensor('int64', BigInt64Array.of(17n), [1]),
    position: new Tensor('int64', BigInt64Array.of(BigInt(CONTEXT)), [1]),
    injection: new Tensor('float32', new Float32Array(), [0, dim]),
    mask: new Tensor('float32', new Float32Array(CONTEXT), [CONTEXT]),
  };
  for (let layer = 0; layer < n_layers; layer++) {
    feeds[`key_cache.${layer}`] = new Tensor('float32', randomFloats(CONTEXT * dim, 2 * layer), cache);
    feeds[`value_cache.${layer}`] = new Tensor('float32', randomFloats(CONTEXT * dim, 2 * layer + 1), cache);
  }
  return feeds;
}

/** Builds, loads and runs a graph; the first output is compared with `reference`, if there is one. */
async function measure(graph: Graph, feeds: Record<string, Tensor>, reference?: Float32Array) {
  const folder = mkdtempSync(join(tmpdir(), 'mumu-bench-'));
  try {
    const before = process.cpuUsage().user;
    const file = await WeightFile.create(join(folder, 'weights.bin'));
    const { name } = await saveGraph(graph, folder, file);
    await file.close();
    const building = (process.cpuUsage().user - before) / 1e6;
    const megabytes = statSync(join(folder, 'weights.bin')).size / 1e6;
    const session = await InferenceSession.create(join(folder, name), {
      intraOpNumThreads: Number(options.threads),
      logSeverityLevel: 3,
    });
    const output = graph.outputs[0]?.name as string;
    const first = (await session.run(feeds))[output]?.data as Float32Array;
    const start = process.cpuUsage();
    for (let run = 0; run < runs; run++) await session.run(feeds);
    const { user, system } = process.cpuUsage(start);
    await session.release();
    const error = reference ? compare(first, reference).mean : 0;
    return { building, megabytes, processor: (user + system) / 1000 / runs, first, error };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function report(
  title: string,
  build: (precision: WeightPrecision) => Graph,
  feeds: Record<string, Tensor>,
  precisions: readonly WeightPrecision[],
): Promise<void> {
  console.log(`${title}; processor time, mean of ${runs} runs`);
  let reference: Float32Array | undefined;
  for (const precision of precisions) {
    const result = await measure(build(precision), feeds, reference);
    reference ??= result.first;
    const peak = Math.round(process.resourceUsage().maxRSS / 1024);
    console.log(
      `${precision.padEnd(5)} ${result.megabytes.toFixed(0)} MB built in ${result.building.toFixed(1)} s, a run ` +
        `${result.processor.toFixed(1)} ms, mean difference from fp32 ${result.error.toExponential(1)}, ` +
        `peak memory so far ${peak} MiB`,
    );
  }
}

const what = positionals[0] ?? 'llama';
if (what === 'llama') {
  const reader = randomReader(llamaShapes(), 1);
  const title = `LLaMA 7B, ${LLAMA.n_layers} of ${WHOLE_LAYERS} layers and the head, one token at context ${CONTEXT}`;
  await report(title, (precision) => buildLlamaStep(reader, LLAMA, { precision }), llamaFeeds(), [
    'fp32',
    'int8',
    'int4',
  ]);
} else if (what === 'mert') {
  const reader = randomReader(mertShapes(), 1);
  const waveform = new Tensor('float32', randomFloats(24_000 * MERT_SECONDS, 1), [1, 24_000 * MERT_SECONDS]);
  const build = (precision: WeightPrecision) => buildHubert(reader, MERT, { precision, manyRows: true });
  await report(`MERT 330M, ${MERT_SECONDS} s of sound`, build, { waveform }, ['fp32', 'int8']);
} else {
  console.error('There are llama and mert.');
  process.exitCode = 2;
}
