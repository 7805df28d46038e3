import { buildAudioAdapter, clipAdapter, mixLayers, tokensAdapter } from '#models/architectures/adapters';
import { buildHubert, type HubertDims } from '#models/architectures/hubert';
import { buildVit, type VitDims } from '#models/architectures/vit';
import { buildVivit, type VivitDims } from '#models/architectures/vivit';
import * as v from '#models/graph/verbs';
import { compare } from './compare.js';
import { caseFloats, type ParityCase, type ParityCheck, type ParityResult } from './parity-case.js';
import { floatsOf, openGraph, runGraph } from './session.js';

/** A check of one graph with one input and one output. */
function single(
  name: string,
  input: string,
  output: string,
  build: (parityCase: ParityCase) => v.Graph,
): ParityCheck {
  return {
    name,
    graphs: (parityCase) => [build(parityCase)],
    compare: async (parityCase) => {
      const feeds = { [input]: await caseFloats(parityCase, `in.${input}`) };
      const actual = floatsOf(await runGraph(build(parityCase), feeds), output);
      const expected = (await caseFloats(parityCase, `out.${output}`)).data as Float32Array;
      return [{ what: output, ...compare(actual, expected) }];
    },
  };
}

const hubert = (name: string) =>
  single(name, 'waveform', 'frames', ({ weights, config }) => buildHubert(weights, config as HubertDims));
const vit = (name: string) =>
  single(name, 'pixels', 'feature', ({ weights, config }) =>
    buildVit(weights, config as VitDims & { dim: number }),
  );
const vivit = (name: string) =>
  single(name, 'pixels', 'feature', ({ weights, config }) =>
    buildVivit(weights, config as VivitDims & { dim: number }),
  );

interface Components {
  language: { dim: number };
  audio_encoder: { hidden_size: number; num_hidden_layers: number };
  image_encoder: { hidden_size: number };
  video_encoder: { hidden_size: number; num_frames: number; tubelet_size: number[] };
}

/** The audio adapter in two graphs, as packs have it: the mixing belongs to the encoder's. */
function audioAdapterGraphs({ weights, config }: ParityCase): { mixing: v.Graph; adapter: v.Graph } {
  const { language, audio_encoder } = config as Components;
  const { hidden_size, num_hidden_layers } = audio_encoder;
  const mixing = new v.Graph('mixing');
  const layers = num_hidden_layers + 1;
  const hidden = mixing.input('hidden', 'float32', [1, layers, 'T', hidden_size]);
  const states = Array.from({ length: layers }, (_, layer) => v.gather(mixing, hidden, mixing.int(layer), 1));
  const frames = v.l2Normalise(mixing, mixLayers(mixing, weights, states));
  mixing.output('frames', frames, 'float32', [1, 'T', hidden_size]);
  return { mixing, adapter: buildAudioAdapter(weights, { hidden_size, dim: language.dim }) };
}

const audioAdapter: ParityCheck = {
  name: 'audio-adapter',
  graphs: (parityCase) => Object.values(audioAdapterGraphs(parityCase)),
  compare: async (parityCase) => {
    const graphs = audioAdapterGraphs(parityCase);
    const mixing = await openGraph(graphs.mixing);
    const adapter = await openGraph(graphs.adapter);
    const results: ParityResult[] = [];
    for (const name of parityCase.facts.cases as string[]) {
      const batch = parityCase.tensors.shape(`in.${name}.hidden`)[0] as number;
      for (let row = 0; row < batch; row++) {
        const { dims, data } = await caseFloats(parityCase, `in.${name}.hidden`, row);
        const { frames } = await mixing.run({ hidden: { dims: [1, ...dims], data } });
        if (!frames) throw new Error('the mixing graph made no frames');
        const actual = floatsOf(await adapter.run({ frames }), 'feature');
        const expected = await caseFloats(parityCase, `out.${name}.feature`, row);
        results.push({ what: `${name}, row ${row}`, ...compare(actual, expected.data as Float32Array) });
      }
    }
    await Promise.all([mixing.release(), adapter.release()]);
    return results;
  },
};

/** An adapter alone, on random states in place of an encoder's. */
function statesAdapter(
  name: string,
  build: (g: v.Graph, parityCase: ParityCase, states: v.Value) => v.Value,
): ParityCheck {
  const [modality] = name.split('-') as [string];
  const graphOf = (parityCase: ParityCase) => {
    const { dim } = (parityCase.config as Components).language;
    const g = new v.Graph(name);
    const [, tokens, width] = parityCase.tensors.shape(`in.${modality}.states`) as [number, number, number];
    const states = g.input('states', 'float32', [1, tokens, width]);
    g.output('feature', build(g, parityCase, states), 'float32', [1, dim]);
    return g;
  };
  return {
    name,
    graphs: (parityCase) => [graphOf(parityCase)],
    compare: async (parityCase) => {
      const session = await openGraph(graphOf(parityCase));
      const results: ParityResult[] = [];
      const batch = parityCase.tensors.shape(`in.${modality}.states`)[0] as number;
      for (let row = 0; row < batch; row++) {
        const { dims, data } = await caseFloats(parityCase, `in.${modality}.states`, row);
        const actual = floatsOf(await session.run({ states: { dims: [1, ...dims], data } }), 'feature');
        const expected = await caseFloats(parityCase, `out.${modality}.feature`, row);
        results.push({ what: `row ${row}`, ...compare(actual, expected.data as Float32Array) });
      }
      await session.release();
      return results;
    },
  };
}

export const adapterChecks: readonly ParityCheck[] = [
  audioAdapter,
  statesAdapter('image-adapter', (g, { weights }, states) => tokensAdapter(g, weights, 'iu_vit', states)),
  statesAdapter('video-adapter', (g, { weights, config }, states) => {
    const { num_frames, tubelet_size } = (config as Components).video_encoder;
    return clipAdapter(g, weights, states, num_frames / (tubelet_size[0] as number));
  }),
];

export const encoderChecks: readonly ParityCheck[] = [
  hubert('hubert-stable'),
  hubert('hubert-stable-tied'),
  hubert('hubert-post-norm'),
  vit('vit'),
  vit('vit-transformers4'),
  vivit('vivit'),
  vivit('vivit-m2ugen'),
];
