import type { BuildOptions } from '#models/architectures/llama';
import { affineOf } from '#models/checkpoint/affine';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { derived, tensor } from '#models/checkpoint/weights';
import { elementCount, type FloatSource } from '#models/graph/types';
import * as v from '#models/graph/verbs';

const GATED_BLOCKS = 3;
/** Of the gated blocks' RMSNorm. */
const NORM_EPSILON = 1e-5;

/** Whether the checkpoint's audio adapter reads frames in time (MuMu-LLaMA) or their mean (MU-LLaMA, M2UGen). */
export function readsAudioInTime(reader: TensorReader): boolean {
  return reader.has('mu_mert_rnn.weight_ih_l0');
}

/** Number `index` of a weight that is a list of scalars (a convolution of kernel one that mixes layers). */
function scalarOf(source: FloatSource, index: number): FloatSource {
  return derived(source, `at${index}`, [1], (numbers) => numbers.slice(index, index + 1));
}

/**
 * The audio adapter's Conv1d (kernel one, hidden states in, one out): hidden states, each [1, time, width], to their
 * weighted sum, added up one by one so that no tensor holds them all.
 */
export function mixLayers(g: v.Graph, reader: TensorReader, states: readonly v.Value[]): v.Value {
  const weight = tensor(reader, 'mu_mert_agg.weight');
  if (elementCount(weight.dims) !== states.length) {
    throw new RangeError(
      `mu_mert_agg mixes ${elementCount(weight.dims)} hidden states, there are ${states.length}`,
    );
  }
  const weighted = states.map((state, index) => v.multiply(g, state, g.weight(scalarOf(weight, index))));
  const sum = weighted.reduce((total, part) => v.add(g, total, part));
  return v.add(g, sum, g.weight(tensor(reader, 'mu_mert_agg.bias')));
}

/** x + f2(silu(f1(n(x))) * f3(n(x))) */
function gatedBlock(g: v.Graph, reader: TensorReader, prefix: string, index: number, x: v.Value): v.Value {
  const layer = (part: string) => affineOf(reader, `${prefix}_${part}_${index}`);
  return g.scope(`block.${index}`, () => {
    const normed = v.rmsNorm(g, x, tensor(reader, `${prefix}_norm_${index}.weight`), NORM_EPSILON);
    const gate = v.silu(g, v.affine(g, normed, layer('f1')));
    const gated = v.multiply(g, gate, v.affine(g, normed, layer('f3')));
    return v.add(g, x, v.affine(g, gated, layer('f2')));
  });
}

/** Projection and three gated blocks x + f2(silu(f1(n(x))) * f3(n(x))): [1, width] -> feature [1, dim]. */
function project(g: v.Graph, reader: TensorReader, prefix: string, x: v.Value): v.Value {
  return g.scope('project', () => {
    let feature = v.affine(g, x, affineOf(reader, `${prefix}_proj`));
    for (let index = 1; index <= GATED_BLOCKS; index++)
      feature = gatedBlock(g, reader, prefix, index, feature);
    return feature;
  });
}

/**
 * The "attention RNN" of MuMu-LLaMA: states [1, time, width] -> tanh RNN -> softmax over time of one score per step
 * -> weighted sum [1, width].
 */
function poolInTime(g: v.Graph, reader: TensorReader, prefix: string, states: v.Value): v.Value {
  return g.scope('pool', () => {
    const part = (name: string) => tensor(reader, `${prefix}_rnn.${name}_l0`);
    const hiddenWeight = part('weight_hh');
    const weights = {
      inputWeight: part('weight_ih'),
      hiddenWeight,
      inputBias: part('bias_ih'),
      hiddenBias: part('bias_hh'),
    };
    // Recurrence wants time first: [time, 1, width].
    const steps = v.rnn(g, v.transpose(g, states, [1, 0, 2]), weights, hiddenWeight.dims[1] as number);
    const scores = v.affine(g, steps, affineOf(reader, `${prefix}_attention`));
    return v.sum(g, v.multiply(g, v.softmax(g, scores, 0), steps), [0], false);
  });
}

/** frames [1, T, D] as the audio encoder makes them -> feature [1, dim]. */
export function buildAudioAdapter(
  reader: TensorReader,
  config: { hidden_size: number; dim: number },
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('audio-adapter', options);
  const frames = g.input('frames', 'float32', [1, 'T', config.hidden_size]);
  const pooled = readsAudioInTime(reader)
    ? poolInTime(g, reader, 'mu_mert', frames)
    : v.l2Normalise(g, v.mean(g, frames, [1], false));
  g.output('feature', project(g, reader, 'mu_mert', pooled), 'float32', [1, config.dim]);
  return g;
}

/**
 * All tokens of a picture (or, in M2UGen, of a clip) mixed into one by a Conv1d over tokens, L2-normalised, projected:
 * states [1, tokens, width] -> feature [1, dim].
 */
export function tokensAdapter(g: v.Graph, reader: TensorReader, prefix: string, states: v.Value): v.Value {
  return g.scope('adapter', () => {
    const weight = tensor(reader, `${prefix}_agg.weight`);
    const row = derived(weight, 'row', [1, elementCount(weight.dims)], (numbers) => numbers);
    // [1, tokens] x [1, tokens, width] -> [1, 1, width]
    const mixed = v.add(
      g,
      v.matmul(g, g.weight(row), states),
      g.weight(tensor(reader, `${prefix}_agg.bias`)),
    );
    return project(g, reader, prefix, v.squeeze(g, v.l2Normalise(g, mixed), [1]));
  });
}

/**
 * A clip's tokens to its feature: states [1, 1 + tubelets * positions, width] -> [1, dim].
 *
 * MuMu-LLaMA's published code declares an RNN here that cannot run: it is as wide as MERT, and mixing all tokens into
 * one leaves no time axis. Ours leaves the class token out, takes the mean over the positions of each tubelet, and
 * goes on as the audio adapter does. M2UGen's checkpoints mix all tokens; they have no RNN.
 */
export function clipAdapter(g: v.Graph, reader: TensorReader, states: v.Value, tubelets: number): v.Value {
  if (reader.has('iu_vivit_agg.weight')) return tokensAdapter(g, reader, 'iu_vivit', states);
  return g.scope('adapter', () => {
    const width = reader.shape('iu_vivit_proj.weight')[1] as number;
    const tokens = v.sliceFrom(g, states, 1, 1);
    const steps = v.mean(g, v.reshape(g, tokens, [0, tubelets, -1, width]), [2], false);
    const pooled = poolInTime(g, reader, 'iu_vivit', v.l2Normalise(g, steps));
    return project(g, reader, 'iu_vivit', pooled);
  });
}
