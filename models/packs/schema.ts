import { z } from 'zod';
import { MODEL_CHANGES, NO_TOKEN } from '#models/checkpoint/metadata';

/** Changes when packs built before can no longer be read, or should be built anew by themselves. */
export const PACK_FORMAT = 'mumu-pack/1';
/** Goes up with every change to the builders that makes other graphs from the same checkpoint. */
export const BUILDER_VERSION = 2;

export const GRAPH_NAMES = [
  'audio-encoder',
  'audio-adapter',
  'image-encoder',
  'video-encoder',
  'injection',
  'language-prefill',
  'language-step',
  'projector',
  'text-encoder',
  'music-condition',
  'music-prefill',
  'music-step',
  'codec-encoder',
  'codec-decoder',
] as const;
export type GraphName = (typeof GRAPH_NAMES)[number];

const count = z.number().int().positive();
const id = z.number().int().nonnegative();
/** Of a token that not every tokenizer has. */
const idOrNone = z.number().int().min(NO_TOKEN);
/** In the pack's own folder: nothing of a pack lies elsewhere. */
const fileName = z.string().regex(/^\w[\w.-]*$/);
const triple = z.tuple([z.number(), z.number(), z.number()]);

export const packDtypeSchema = z.enum(['fp32', 'int8', 'int4']);
export type PackDtype = z.infer<typeof packDtypeSchema>;

const fields = z.object({
  format: z.literal(PACK_FORMAT),
  builder: z.number().int(),
  name: z.string(),
  variant: z.enum(['mu-llama', 'm2ugen', 'mumu-llama']),
  version: z.string(),
  dtype: packDtypeSchema,
  licence: z.string(),
  provenance: z.record(z.string(), z.unknown()),
  training: z.record(z.string(), z.unknown()),
  /** Figures the checkpoint was measured with. */
  evaluation: z.record(z.string(), z.unknown()),
  /** sha256 of the checkpoint's files, to see whether a pack still is what its checkpoint would make. */
  source: z.record(z.string(), z.string()),

  tokenizer: z.object({
    file: fileName,
    bos: id,
    eos: id,
    /** -1 where there is none. */
    pad: idOrNone,
    /** -1 where there is none. */
    unk: idOrNone,
    /** [AUD0] to [AUD7]; empty where the model makes no music. */
    audioTokens: z.array(id),
  }),
  prompt: z.object({
    /** With `{instruction}` where the user's words go. */
    template: z.string(),
    /** Texts that end an answer. */
    stop: z.array(z.string()),
  }),
  sampling: z.object({ temperature: z.number(), topP: z.number(), maxTokens: count }),
  /** Where the music decoder's condition comes from unless a request says otherwise. */
  conditioning: z.enum(['caption', 'projector']),
  /** Kinds of change of a song that it was trained to make. */
  changes: z.array(z.enum(MODEL_CHANGES)).default([...MODEL_CHANGES]),

  language: z.object({
    dim: count,
    layers: count,
    heads: count,
    headDim: count,
    vocabulary: count,
    /** Tokens of prompt and answer together. */
    context: count,
    injectedLayers: count,
  }),
  audioEncoder: z.object({
    /** Hertz, mono. */
    sampleRate: count,
    /** Whether each chunk is brought to zero mean and unit variance. */
    normalise: z.boolean(),
    chunkSeconds: z.number().positive(),
    /** Samples from one frame to the next. */
    hop: count,
    /** Samples that one frame hears: a chunk must have at least these. */
    receptiveField: count,
    /** Width of a frame. */
    width: count,
  }),
  imageEncoder: z.object({ size: count, mean: triple, std: triple }).nullable(),
  /** Frames are taken evenly over the clip and normalised to [-1, 1] by this mean and deviation. */
  videoEncoder: z.object({ size: count, frames: count, mean: triple, std: triple }).nullable(),
  projector: z.object({ queries: count, width: count }).nullable(),
  music: z
    .object({
      text: z.object({ width: count, maxTokens: count }),
      decoder: z.object({
        layers: count,
        heads: count,
        headDim: count,
        /** Over all channels. */
        codebooks: count,
        channels: z.union([z.literal(1), z.literal(2)]),
        /** Entries of a codebook; the padding of the delay pattern has this id. */
        codebookSize: count,
        /** Frames of codes a second. */
        frameRate: z.number().positive(),
        windowSeconds: z.number().positive(),
        windowFrames: count,
        guidance: z.number().positive(),
        topK: count,
      }),
      codec: z.object({
        sampleRate: count,
        /** Samples of one frame. */
        hop: count,
        /** Of one channel. */
        codebooks: count,
        codebookSize: count,
      }),
    })
    .nullable(),

  graphs: z.array(z.enum(GRAPH_NAMES)),
  files: z
    .array(
      z.object({
        name: fileName,
        bytes: z.number().int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .min(1),
});

/** File of a graph within its pack. */
export const graphFile = (graph: GraphName): string => `${graph}.onnx`;

/** pack.json: what a pack is, what running it needs to know, and the checksums of its files. */
export const packManifestSchema = fields.superRefine(({ graphs, tokenizer, files }, context) => {
  // What is not listed has no checksum, and would be run or read whatever it holds.
  const listed = new Set(files.map((file) => file.name));
  for (const name of [...graphs.map(graphFile), tokenizer.file]) {
    if (!listed.has(name)) {
      context.addIssue({ code: 'custom', path: ['files'], message: `${name} is not listed` });
    }
  }
});
export type PackManifest = z.infer<typeof packManifestSchema>;
