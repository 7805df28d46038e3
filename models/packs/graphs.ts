import { MumuError } from '#contracts/errors';
import { buildAudioAdapter } from '#models/architectures/adapters';
import { buildCodecDecoder, buildCodecEncoder } from '#models/architectures/encodec';
import { buildHubert } from '#models/architectures/hubert';
import { buildInjection } from '#models/architectures/injection';
import { buildLlamaPrefill, buildLlamaStep } from '#models/architectures/llama';
import { injectedLayers } from '#models/architectures/llama-weights';
import { buildMusicCondition, buildMusicPrefill, buildMusicStep } from '#models/architectures/musicgen';
import { buildProjector } from '#models/architectures/projector';
import { buildTextEncoder } from '#models/architectures/t5';
import { buildVit } from '#models/architectures/vit';
import { buildVivit } from '#models/architectures/vivit';
import type { CheckpointMetadata } from '#models/checkpoint/metadata';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import type { Graph } from '#models/graph/graph';
import type { GraphName, PackDtype } from '#models/packs/schema';

/** A graph of a pack that is still to be built. */
export interface PlannedGraph {
  name: GraphName;
  /** File of weights beside it; graphs of one name share theirs. */
  weights: string;
  build: () => Graph;
}

/**
 * The graphs a checkpoint makes. Quantised packs keep in 32 bit what is small or heard directly (adapters' recurrence,
 * projector, codec), and in 8 bit what a whole answer rests on (the injection, the encoders).
 * Throws MumuError cannot_do where the checkpoint is of a kind that these graphs do not cover.
 */
export function planGraphs(
  reader: TensorReader,
  metadata: CheckpointMetadata,
  dtype: PackDtype,
): PlannedGraph[] {
  const { components } = metadata;
  refuseLongPrefix(reader, metadata);
  return [
    ...understandingGraphs(reader, components, dtype),
    ...projectorGraphs(reader, metadata),
    ...musicGraphs(reader.withPrefix('generation_model.'), components, dtype),
  ];
}

function understandingGraphs(
  reader: TensorReader,
  components: CheckpointMetadata['components'],
  dtype: PackDtype,
): PlannedGraph[] {
  const { audio_encoder, image_encoder, video_encoder, language } = components;
  const { dim } = language;
  const options = { precision: dtype };
  const careful = { precision: dtype === 'int4' ? 'int8' : dtype } as const;
  const encoder = { ...careful, manyRows: true };
  const graphs: PlannedGraph[] = [
    {
      name: 'audio-encoder',
      weights: 'audio.bin',
      build: () => buildHubert(reader, audio_encoder, encoder),
    },
    {
      name: 'audio-adapter',
      weights: 'audio.bin',
      build: () => buildAudioAdapter(reader, { hidden_size: audio_encoder.hidden_size, dim }, careful),
    },
    { name: 'injection', weights: 'language.bin', build: () => buildInjection(reader, language, careful) },
    {
      name: 'language-prefill',
      weights: 'language.bin',
      build: () => buildLlamaPrefill(reader, language, options),
    },
    {
      name: 'language-step',
      weights: 'language.bin',
      build: () => buildLlamaStep(reader, language, options),
    },
  ];
  if (image_encoder) {
    const build = () => buildVit(reader, { ...image_encoder, dim }, encoder);
    graphs.push({ name: 'image-encoder', weights: 'image.bin', build });
  }
  if (video_encoder) {
    const build = () => buildVivit(reader, { ...video_encoder, dim }, encoder);
    graphs.push({ name: 'video-encoder', weights: 'video.bin', build });
  }
  return graphs;
}

function projectorGraphs(reader: TensorReader, metadata: CheckpointMetadata): PlannedGraph[] {
  const { projector } = metadata.components;
  if (!projector) return [];
  const build = () => buildProjector(reader, projector, metadata.tokenizer.audio_tokens);
  return [{ name: 'projector', weights: 'projector.bin', build }];
}

function musicGraphs(
  reader: TensorReader,
  { text_encoder, music_decoder, codec }: CheckpointMetadata['components'],
  dtype: PackDtype,
): PlannedGraph[] {
  if (!text_encoder || !music_decoder || !codec) return [];
  const options = { precision: dtype };
  const codecReader = reader.withPrefix('audio_encoder.');
  return [
    {
      name: 'text-encoder',
      weights: 'text.bin',
      build: () => buildTextEncoder(reader.withPrefix('text_encoder.'), text_encoder, options),
    },
    {
      name: 'music-condition',
      weights: 'music.bin',
      build: () => buildMusicCondition(reader, music_decoder, text_encoder.d_model, options),
    },
    {
      name: 'music-prefill',
      weights: 'music.bin',
      build: () => buildMusicPrefill(reader, music_decoder, options),
    },
    { name: 'music-step', weights: 'music.bin', build: () => buildMusicStep(reader, music_decoder, options) },
    { name: 'codec-encoder', weights: 'codec.bin', build: () => buildCodecEncoder(codecReader, codec) },
    { name: 'codec-decoder', weights: 'codec.bin', build: () => buildCodecDecoder(codecReader, codec) },
  ];
}

/** The constant injection holds for a prefix of one vector per layer; attention over several is no constant. */
function refuseLongPrefix(reader: TensorReader, { components }: CheckpointMetadata): void {
  const rows = reader.shape('prefix_query.weight')[0] as number;
  const { count } = injectedLayers(components.language);
  if (rows === count) return;
  throw new MumuError(
    'cannot_do',
    `This checkpoint has ${rows} prefix vectors for ${count} injected layers; only one per layer can be built.`,
  );
}
