import { clipAdapter } from '#models/architectures/adapters';
import type { BuildOptions } from '#models/architectures/llama';
import { patchEmbeddings, type VisionDims, visionEncoder } from '#models/architectures/vit';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import * as v from '#models/graph/verbs';

/** The `video_encoder` component of checkpoint.json: transformers' VivitConfig, as far as it matters here. */
export interface VivitDims extends VisionDims {
  num_frames: number;
  /** Frames, rows and columns of one tubelet. */
  tubelet_size: readonly [number, number, number];
}

/**
 * ViViT (Arnab et al. 2021, model 1) and the video adapter: pixels [1, F, 3, S, S] (scaled to [-1, 1]) -> feature
 * [1, dim].
 */
export function buildVivit(
  reader: TensorReader,
  config: VivitDims & { dim: number },
  options: BuildOptions = {},
): v.Graph {
  const g = new v.Graph('video-encoder', options);
  const vivit = reader.withPrefix('vivit_model.');
  const { num_frames, image_size, tubelet_size } = config;
  const pixels = g.input('pixels', 'float32', [1, num_frames, 3, image_size, image_size]);
  // The convolution runs over time, rows and columns: [1, F, 3, S, S] -> [1, 3, F, S, S]
  const tubelets = g.scope('tubelets', () =>
    patchEmbeddings(g, vivit, v.transpose(g, pixels, [0, 2, 1, 3, 4]), tubelet_size),
  );
  const states = visionEncoder(g, vivit, config, tubelets);
  const steps = Math.floor(num_frames / tubelet_size[0]);
  g.output('feature', clipAdapter(g, reader, states, steps), 'float32', [1, config.dim]);
  return g;
}
