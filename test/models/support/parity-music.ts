import {
  buildCodecDecoder,
  buildCodecEncoder,
  codebookCount,
  encodecConfigSchema,
} from '#models/architectures/encodec';
import { buildProjector, projectorConfigSchema } from '#models/architectures/projector';
import { buildTextEncoder, t5ConfigSchema } from '#models/architectures/t5';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { compare } from './compare.js';
import {
  caseFloats,
  caseIntegers,
  type ParityCase,
  type ParityCheck,
  type ParityResult,
} from './parity-case.js';
import { musicgenChecks } from './parity-musicgen.js';
import { floatsOf, integers, openGraph } from './session.js';

const numbersOf = (parityCase: ParityCase, fact: string): number[] => parityCase.facts[fact] as number[];

/** T5's encoder, over several lengths. */
function textEncoder(name: string): ParityCheck {
  const graphOf = (parityCase: ParityCase) =>
    buildTextEncoder(parityCase.weights, t5ConfigSchema.parse(parityCase.config));
  return {
    name,
    graphs: (parityCase) => [graphOf(parityCase)],
    compare: async (parityCase) => {
      const session = await openGraph(graphOf(parityCase));
      const results: ParityResult[] = [];
      for (const length of numbersOf(parityCase, 'lengths')) {
        const ids = await caseIntegers(parityCase, `in.input_ids.${length}`);
        const outputs = await session.run({ input_ids: integers([1, length], ids) });
        const expected = await caseFloats(parityCase, `out.condition.${length}`);
        results.push({
          what: `condition of ${length} tokens`,
          ...compare(floatsOf(outputs, 'condition'), expected.data as Float32Array),
        });
      }
      await session.release();
      return results;
    },
  };
}

function projector(name: string): ParityCheck {
  const graphOf = (parityCase: ParityCase) =>
    buildProjector(
      parityCase.weights,
      projectorConfigSchema.parse(parityCase.config),
      numbersOf(parityCase, 'audio_tokens'),
    );
  return {
    name,
    graphs: (parityCase) => [graphOf(parityCase)],
    compare: async (parityCase) => {
      const session = await openGraph(graphOf(parityCase));
      const outputs = await session.run({ hidden: await caseFloats(parityCase, 'in.hidden') });
      const expected = await caseFloats(parityCase, 'out.condition');
      await session.release();
      return [
        { what: 'condition', ...compare(floatsOf(outputs, 'condition'), expected.data as Float32Array) },
      ];
    },
  };
}

const integersOf = (data: Float32Array | BigInt64Array): number[] => Array.from(data, Number);

/** EnCodec: codes one for one, waveforms by their difference. */
function codec(name: string): ParityCheck {
  const graphsOf = (parityCase: ParityCase) => {
    const config = encodecConfigSchema.parse(parityCase.config);
    if (codebookCount(config) !== parityCase.facts.num_quantizers) {
      throw new Error(`${name}: ${codebookCount(config)} codebooks are not what transformers counts`);
    }
    return {
      encoder: buildCodecEncoder(parityCase.weights, config),
      decoder: buildCodecDecoder(parityCase.weights, config),
    };
  };
  return {
    name,
    graphs: (parityCase) => Object.values(graphsOf(parityCase)),
    compare: async (parityCase) => {
      const { encoder, decoder } = graphsOf(parityCase);
      const results: ParityResult[] = [];
      const encoding = await openGraph(encoder);
      for (const length of numbersOf(parityCase, 'lengths')) {
        const outputs = await encoding.run({
          waveform: await caseFloats(parityCase, `in.waveform.${length}`),
        });
        const actual = integersOf(outputs.codes?.data as BigInt64Array);
        const expected = await caseIntegers(parityCase, `out.codes.${length}`);
        results.push({
          what: `codes of ${length} samples`,
          // Codes are compared one for one: there is no distance between them.
          largest: actual.length === expected.length ? 0 : Number.NaN,
          mean: 0,
          tokens: {
            equal: expected.filter((code, index) => code === actual[index]).length,
            of: expected.length,
          },
        });
      }
      await encoding.release();
      const decoding = await openGraph(decoder);
      for (const frames of numbersOf(parityCase, 'frames')) {
        const codes = await caseFloats(parityCase, `in.codes.${frames}`);
        const outputs = await decoding.run({ codes: integers(codes.dims, Array.from(codes.data, Number)) });
        const expected = await caseFloats(parityCase, `out.waveform.${frames}`);
        results.push({
          what: `waveform of ${frames} frames`,
          ...compare(floatsOf(outputs, 'waveform'), expected.data as Float32Array),
        });
      }
      await decoding.release();
      return results;
    },
  };
}

/** A reader for tests of what is refused before any weight is asked for. */
export const noWeights: TensorReader = {
  names: () => [],
  has: () => false,
  shape: () => [],
  fullName: (name) => name,
  read: async () => new Float32Array(0),
  withPrefix: () => noWeights,
};

export const textEncoderChecks = ['t5-relu', 't5-gated', 't5-mini'].map(textEncoder);
export const projectorChecks = ['projector-tiny', 'projector-mini'].map(projector);
export const codecChecks = ['encodec-symmetric', 'encodec-causal', 'encodec-replicated', 'encodec-mini'].map(
  codec,
);

export const musicChecks: readonly ParityCheck[] = [
  ...textEncoderChecks,
  ...projectorChecks,
  ...musicgenChecks,
  ...codecChecks,
];
