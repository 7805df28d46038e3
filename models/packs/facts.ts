import { codebookCount, hopLength } from '#models/architectures/encodec';
import { injectedLayers } from '#models/architectures/llama-weights';
import type { CheckpointMetadata } from '#models/checkpoint/metadata';
import type { PackManifest } from '#models/packs/schema';

type Components = CheckpointMetadata['components'];
/** The part of pack.json that follows from checkpoint.json alone. */
export type PackFacts = Omit<PackManifest, 'format' | 'builder' | 'dtype' | 'source' | 'graphs' | 'files'>;

/** Captions are cut here where the checkpoint names no limit: T5 was trained on 512. */
const DEFAULT_TEXT_TOKENS = 256;
/** ViViT's frames are scaled to [-1, 1]. */
const VIDEO_MEAN: [number, number, number] = [0.5, 0.5, 0.5];

/** Samples behind one frame of convolutions without padding. */
function receptiveField(kernels: readonly number[], strides: readonly number[]): number {
  return kernels.reduceRight((field, kernel, index) => (field - 1) * (strides[index] as number) + kernel, 1);
}

function musicFacts({ text_encoder, music_decoder, codec }: Components): PackFacts['music'] {
  if (!text_encoder || !music_decoder || !codec) return null;
  const hop = hopLength(codec);
  const frameRate = codec.sampling_rate / hop;
  return {
    text: { width: text_encoder.d_model, maxTokens: text_encoder.max_tokens ?? DEFAULT_TEXT_TOKENS },
    decoder: {
      layers: music_decoder.num_hidden_layers,
      heads: music_decoder.num_attention_heads,
      headDim: music_decoder.hidden_size / music_decoder.num_attention_heads,
      codebooks: music_decoder.num_codebooks,
      channels: music_decoder.audio_channels,
      codebookSize: music_decoder.vocab_size,
      frameRate,
      windowSeconds: music_decoder.window_seconds,
      windowFrames: Math.floor(music_decoder.window_seconds * frameRate),
      guidance: music_decoder.guidance_scale,
      topK: music_decoder.top_k,
    },
    codec: {
      sampleRate: codec.sampling_rate,
      hop,
      codebooks: codebookCount(codec),
      codebookSize: codec.codebook_size,
    },
  };
}

/** What running a pack needs to know, from the checkpoint's description. */
export function packFacts(metadata: CheckpointMetadata): PackFacts {
  const { components, tokenizer, prompt, sampling } = metadata;
  const { audio_encoder, image_encoder, video_encoder, language, projector } = components;
  const { name, variant, version, licence, provenance, training, evaluation, conditioning, changes } =
    metadata;
  return {
    ...{ name, variant, version, licence, provenance, training, evaluation, conditioning, changes },
    tokenizer: {
      file: 'tokenizer.json',
      ...{ bos: tokenizer.bos, eos: tokenizer.eos, pad: tokenizer.pad, unk: tokenizer.unk },
      audioTokens: tokenizer.audio_tokens,
    },
    prompt,
    sampling: {
      temperature: sampling.temperature,
      topP: sampling.top_p,
      maxTokens: sampling.max_tokens,
    },
    language: {
      dim: language.dim,
      layers: language.n_layers,
      heads: language.n_heads,
      headDim: language.dim / language.n_heads,
      vocabulary: language.vocab_size,
      context: language.max_seq_len,
      injectedLayers: injectedLayers(language).count,
    },
    audioEncoder: {
      sampleRate: audio_encoder.sampling_rate,
      normalise: audio_encoder.do_normalize,
      chunkSeconds: audio_encoder.chunk_seconds,
      hop: audio_encoder.conv_stride.reduce((product, stride) => product * stride, 1),
      receptiveField: receptiveField(audio_encoder.conv_kernel, audio_encoder.conv_stride),
      width: audio_encoder.hidden_size,
    },
    imageEncoder: image_encoder
      ? { size: image_encoder.image_size, mean: image_encoder.image_mean, std: image_encoder.image_std }
      : null,
    videoEncoder: video_encoder
      ? {
          size: video_encoder.image_size,
          frames: video_encoder.num_frames,
          mean: VIDEO_MEAN,
          std: VIDEO_MEAN,
        }
      : null,
    projector: projector ? { queries: projector.queries, width: projector.out_dim } : null,
    music: musicFacts(components),
  };
}
