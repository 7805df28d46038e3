import { decodeAudio } from '#inference/media/audio';
import { decodeVideoFrames } from '#inference/media/clip';
import { decodeImage } from '#inference/media/picture';
import type { MediaInfo } from '#inference/media/probe';
import { breathe } from '#inference/runtime/abort';
import { floats, type Session, takeFloats } from '#inference/runtime/session';
import type { FeatureCache, Heard } from '#inference/understanding/feature-cache';
import { framesToPlanes, toPlanes } from '#inference/understanding/pixels';
import { chunkWaveform, normaliseWaveform } from '#inference/understanding/waveform';

/** What encoders need to know of a pack. */
export type PerceptionFacts = {
  /** LLaMA's width: what a feature has. */
  dim: number;
  /** Of the whole pack: features of another one are never mixed in. */
  fingerprint: string;
  audio: { sampleRate: number; normalise: boolean; chunkSeconds: number; receptiveField: number };
  image: { size: number; mean: readonly number[]; deviation: readonly number[] };
  video: { frames: number; size: number; mean: readonly number[]; deviation: readonly number[] };
};

export type PerceptionSessions = {
  audioEncoder(): Promise<Session>;
  audioAdapter(): Promise<Session>;
  imageEncoder(): Promise<Session>;
  videoEncoder(): Promise<Session>;
  injection(): Promise<Session>;
};

/** A file to be looked at or listened to. */
export type Perceived = { path: string; key: string; info: MediaInfo };

/** One feature [dim] per modality, or none. */
export type Features = { audio?: Float32Array; image?: Float32Array; video?: Float32Array };

export type PerceptionWatch = {
  signal?: AbortSignal | undefined;
  onNote?: (note: string) => void;
  onEncode?: (fraction: number) => void;
  /** Milliseconds spent, by stage. */
  spend?: (stage: 'decode' | 'encode', milliseconds: number) => void;
};

/** Songs, pictures and clips -> features of LLaMA's width, and those -> the injection. */
export class Perception {
  constructor(
    private readonly sessions: PerceptionSessions,
    private readonly facts: PerceptionFacts,
    private readonly cache: FeatureCache,
  ) {}

  /**
   * The whole song (up to the decoder's limit) in chunks through MERT; all frames, one after another, through the
   * adapter.
   */
  async song(file: Perceived, watch: PerceptionWatch): Promise<Float32Array> {
    const { sampleRate, normalise, chunkSeconds, receptiveField } = this.facts.audio;
    return this.cached(file, 'audio', watch, async () => {
      const { signal } = watch;
      const decoded = await timed(watch, 'decode', () =>
        decodeAudio(file.path, { sampleRate, channels: 1, info: file.info, ...(signal ? { signal } : {}) }),
      );
      const encoder = await this.sessions.audioEncoder();
      const adapter = await this.sessions.audioAdapter();
      const feature = await timed(watch, 'encode', async () => {
        const parts: Float32Array[] = [];
        let width = 0;
        const chunks = chunkWaveform(decoded.samples[0] ?? new Float32Array(), {
          sampleRate,
          chunkSeconds,
          receptiveField,
        });
        for (const [i, chunk] of chunks.entries()) {
          await breathe(signal);
          const fetches = await encoder.run({
            waveform: floats(normalise ? normaliseWaveform(chunk) : chunk, [1, chunk.length]),
          });
          width = fetches.frames?.dims[2] ?? 0;
          parts.push(takeFloats(fetches, 'frames'));
          watch.onEncode?.((i + 1) / chunks.length);
        }
        const frames = joined(parts);
        const fetches = await adapter.run({ frames: floats(frames, [1, frames.length / width, width]) });
        return takeFloats(fetches, 'feature');
      });
      return { feature, notes: decoded.notes };
    });
  }

  async picture(file: Perceived, watch: PerceptionWatch): Promise<Float32Array> {
    return this.cached(file, 'image', watch, async () => {
      const { size, mean, deviation } = this.facts.image;
      const { signal } = watch;
      const picture = await timed(watch, 'decode', () =>
        decodeImage(file.path, size, { info: file.info, ...(signal ? { signal } : {}) }),
      );
      await breathe(signal);
      const encoder = await this.sessions.imageEncoder();
      const feature = await timed(watch, 'encode', async () => {
        const pixels = floats(toPlanes(picture, mean, deviation), [1, 3, size, size]);
        return takeFloats(await encoder.run({ pixels }), 'feature');
      });
      return { feature, notes: [] };
    });
  }

  /** A clip's moving picture (its sound is a song of its own). */
  async clip(file: Perceived, watch: PerceptionWatch): Promise<Float32Array> {
    // Not the name under which features lie from when a clip was taken to last as long as its sound.
    return this.cached(file, 'video-by-picture', watch, async () => {
      const { size, frames: count, mean, deviation } = this.facts.video;
      const { signal } = watch;
      const { frames, notes } = await timed(watch, 'decode', () =>
        decodeVideoFrames(file.path, count, size, { info: file.info, ...(signal ? { signal } : {}) }),
      );
      await breathe(signal);
      const encoder = await this.sessions.videoEncoder();
      const feature = await timed(watch, 'encode', async () => {
        const pixels = floats(framesToPlanes(frames, mean, deviation), [1, count, 3, size, size]);
        return takeFloats(await encoder.run({ pixels }), 'feature');
      });
      return { feature, notes };
    });
  }

  /** The constant each injected layer adds, [injected layers * dim]; what is absent counts as zeros. */
  async injection(features: Features): Promise<Float32Array> {
    const { dim } = this.facts;
    const input = (feature: Float32Array | undefined) => floats(feature ?? new Float32Array(dim), [1, dim]);
    const session = await this.sessions.injection();
    const { audio, image, video } = features;
    const feeds = { audio: input(audio), image: input(image), video: input(video) };
    return takeFloats(await session.run(feeds), 'injection');
  }

  private async cached(
    file: Perceived,
    kind: string,
    watch: PerceptionWatch,
    compute: () => Promise<Heard>,
  ): Promise<Float32Array> {
    const key = `${this.facts.fingerprint}-${kind}-${file.key}`;
    const { feature, notes } = await this.cache.take(key, compute);
    watch.onEncode?.(1);
    for (const note of notes) watch.onNote?.(note);
    return feature;
  }
}

async function timed<T>(
  watch: PerceptionWatch,
  stage: 'decode' | 'encode',
  work: () => Promise<T>,
): Promise<T> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    watch.spend?.(stage, performance.now() - start);
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
