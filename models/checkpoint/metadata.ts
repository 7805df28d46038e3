import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { encodecConfigSchema } from '#models/architectures/encodec';
import { musicgenDecoderConfigSchema } from '#models/architectures/musicgen';
import { projectorConfigSchema } from '#models/architectures/projector';
import { t5ConfigSchema } from '#models/architectures/t5';

/** The files of a checkpoint folder, as training writes it. */
export const CHECKPOINT_FILES = { metadata: 'checkpoint.json', weights: 'model.safetensors' } as const;

/** The id of a special token that a tokenizer does not have, as SentencePiece writes it. */
export const NO_TOKEN = -1;

const count = z.number().int().positive();
const id = z.number().int().nonnegative();
const idOrNone = z.number().int().min(NO_TOKEN);
const triple = z.tuple([z.number(), z.number(), z.number()]);

const audioEncoderSchema = z.object({
  sampling_rate: count,
  do_normalize: z.boolean(),
  /** Longest stretch the encoder hears at once, seconds. */
  chunk_seconds: z.number().positive(),
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  conv_kernel: z.array(count).min(1),
  conv_stride: z.array(count).min(1),
  feat_extract_norm: z.enum(['layer', 'group']),
  feat_extract_activation: z.string().default('gelu'),
  feat_proj_layer_norm: z.boolean().default(true),
  do_stable_layer_norm: z.boolean().default(false),
  num_conv_pos_embeddings: count.default(128),
  num_conv_pos_embedding_groups: count.default(16),
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
  tie_last_hidden_states: z.boolean().optional(),
});

const visionFields = {
  image_size: count,
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
};

const imageEncoderSchema = z.object({
  ...visionFields,
  patch_size: count,
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  image_mean: triple,
  image_std: triple,
});

const videoEncoderSchema = z.object({
  ...visionFields,
  num_frames: count,
  /** Frames, rows, columns. */
  tubelet_size: z.tuple([count, count, count]),
  hidden_act: z.string().default('gelu_fast'),
  layer_norm_eps: z.number().positive().default(1e-6),
});

const languageSchema = z.object({
  dim: count,
  n_layers: count,
  n_heads: count,
  vocab_size: count,
  hidden_dim: count,
  norm_eps: z.number().positive().default(1e-5),
  rope_theta: z.number().positive().default(10_000),
  max_seq_len: count,
  query_layer: count,
});

/** A recipe gives the number of codebooks; EncodecConfig has them follow from a bandwidth in kilobits a second. */
const codecSchema = z.preprocess((raw) => {
  const given = z.looseObject({ num_quantizers: count }).safeParse(raw);
  if (!given.success || 'target_bandwidths' in given.data) return raw;
  const shape = z
    .object({ sampling_rate: count, upsampling_ratios: z.array(count), codebook_size: count })
    .safeParse(raw);
  if (!shape.success) return raw;
  const hop = shape.data.upsampling_ratios.reduce((product, ratio) => product * ratio, 1);
  const bitsPerSecond =
    Math.ceil(shape.data.sampling_rate / hop) * Math.ceil(Math.log2(shape.data.codebook_size));
  // Half a codebook more, because the number is rounded down where the bandwidth is read.
  return { ...given.data, target_bandwidths: [((given.data.num_quantizers + 0.5) * bitsPerSecond) / 1000] };
}, encodecConfigSchema);

/** What can be wished for in a song beyond what is computed on it: new music, made by the model. */
export const MODEL_CHANGES = ['add', 'replace', 'remove', 'style'] as const;
export type ModelChange = (typeof MODEL_CHANGES)[number];

export const checkpointSchema = z.object({
  format: z.literal('mumu-checkpoint/1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'is no name for a pack'),
  variant: z.enum(['mu-llama', 'm2ugen', 'mumu-llama']),
  version: z.string().default('0'),
  components: z.object({
    audio_encoder: audioEncoderSchema,
    image_encoder: imageEncoderSchema.optional(),
    video_encoder: videoEncoderSchema.optional(),
    language: languageSchema,
    projector: projectorConfigSchema.optional(),
    text_encoder: t5ConfigSchema.extend({ max_tokens: count.optional() }).optional(),
    music_decoder: musicgenDecoderConfigSchema
      .extend({
        /** Longest piece the decoder was trained on, seconds. */
        window_seconds: z.number().positive(),
        guidance_scale: z.number().positive().default(3),
        top_k: count.default(250),
      })
      .optional(),
    codec: codecSchema.optional(),
  }),
  tokenizer: z.object({
    file: z.string().regex(/^[\w.-]+$/),
    bos: id,
    eos: id,
    /** -1 where there is none: Meta's LLaMA has no padding. */
    pad: idOrNone,
    /** -1 where there is none. */
    unk: idOrNone,
    audio_tokens: z.array(id),
  }),
  prompt: z.object({
    template: z.string().includes('{instruction}'),
    stop: z.array(z.string().min(1)),
  }),
  sampling: z.object({
    temperature: z.number().positive().default(0.6),
    top_p: z.number().positive().max(1).default(0.8),
    max_tokens: count.default(512),
  }),
  conditioning: z.enum(['caption', 'projector']).default('caption'),
  /** Kinds of change that it was trained to make; all of them, as the published models were, where it does not say. */
  changes: z.array(z.enum(MODEL_CHANGES)).default([...MODEL_CHANGES]),
  licence: z.string(),
  provenance: z.record(z.string(), z.unknown()).default({}),
  training: z.record(z.string(), z.unknown()).default({}),
  evaluation: z.record(z.string(), z.unknown()).default({}),
});
export type CheckpointMetadata = z.infer<typeof checkpointSchema>;

/**
 * Reads a checkpoint folder's description.
 * Throws MumuError not_found (no checkpoint there) or damaged_pack (naming the field that is wrong).
 */
export async function readCheckpointMetadata(folder: string): Promise<CheckpointMetadata> {
  const file = CHECKPOINT_FILES.metadata;
  let text: string;
  try {
    text = await readFile(join(folder, file), 'utf8');
  } catch (cause) {
    throw new MumuError('not_found', `There is no checkpoint in that folder: it has no ${file}.`, { cause });
  }
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new MumuError('damaged_pack', `The checkpoint's ${file} is not JSON.`, { cause });
  }
  const parsed = checkpointSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'it';
  throw new MumuError(
    'damaged_pack',
    `The checkpoint's ${file} cannot be used: ${where}: ${issue?.message}.`,
    {
      cause: parsed.error,
    },
  );
}
