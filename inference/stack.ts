import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { MumuError } from '#contracts/errors';
import type { Graphs } from '#inference/graphs';
import { LanguageModel } from '#inference/language/model';
import { PackTokenizer } from '#inference/language/tokens';
import type { MediaInfo } from '#inference/media/probe';
import { Codec } from '#inference/music/codec';
import { MusicDecoder } from '#inference/music/decoder';
import { FeatureCache } from '#inference/understanding/feature-cache';
import { Perception } from '#inference/understanding/perception';
import type { Pack } from '#models/packs/read';
import type { PackManifest } from '#models/packs/schema';

/** Half the range: maps [0, 1] to [-1, 1]. Used where a pack has no encoder and the values are never read. */
const HALF = [0.5, 0.5, 0.5] as const;

/** The models of one pack, put together when they are first needed. */
export class Stack {
  readonly manifest: PackManifest;
  readonly perception: Perception;
  /** What is known of files by their content's hash. */
  readonly mediaKnown = new Map<string, MediaInfo>();
  private languageModel: Promise<LanguageModel> | undefined;
  private musicModel: Promise<{ decoder: MusicDecoder; codec: Codec }> | undefined;

  private constructor(
    pack: Pack,
    readonly graphs: Graphs,
    readonly tokenizer: PackTokenizer,
    cacheFolder: string,
  ) {
    this.manifest = pack.manifest;
    const { audioEncoder, imageEncoder, videoEncoder, language } = pack.manifest;
    this.perception = new Perception(
      {
        audioEncoder: () => graphs.open('audio-encoder'),
        audioAdapter: () => graphs.open('audio-adapter'),
        imageEncoder: () => graphs.open('image-encoder'),
        videoEncoder: () => graphs.open('video-encoder'),
        injection: () => graphs.open('injection'),
      },
      {
        dim: language.dim,
        fingerprint: packFingerprint(pack.manifest),
        audio: audioEncoder,
        image: {
          size: imageEncoder?.size ?? 1,
          mean: imageEncoder?.mean ?? HALF,
          deviation: imageEncoder?.std ?? HALF,
        },
        video: {
          frames: videoEncoder?.frames ?? 1,
          size: videoEncoder?.size ?? 1,
          mean: videoEncoder?.mean ?? HALF,
          deviation: videoEncoder?.std ?? HALF,
        },
      },
      new FeatureCache(join(cacheFolder, 'features')),
    );
  }

  /** @throws MumuError damaged_pack */
  static async open(pack: Pack, graphs: Graphs, cacheFolder: string): Promise<Stack> {
    const tokenizer = await PackTokenizer.load(pack.tokenizer, pack.manifest.tokenizer);
    return new Stack(pack, graphs, tokenizer, cacheFolder);
  }

  language(): Promise<LanguageModel> {
    this.languageModel ??= this.openLanguage().catch((error: unknown) => {
      this.languageModel = undefined;
      throw error;
    });
    return this.languageModel;
  }

  /** @throws MumuError cannot_do where the pack makes no music */
  music(): Promise<{ decoder: MusicDecoder; codec: Codec }> {
    this.musicModel ??= this.openMusic().catch((error: unknown) => {
      this.musicModel = undefined;
      throw error;
    });
    return this.musicModel;
  }

  /** The pack's facts about music. @throws MumuError cannot_do */
  musicFacts(): NonNullable<PackManifest['music']> {
    const { music, name } = this.manifest;
    if (music === null)
      throw new MumuError('cannot_do', `The pack ${name} makes no music: choose another one.`);
    return music;
  }

  private async openLanguage(): Promise<LanguageModel> {
    const prefill = await this.graphs.open('language-prefill');
    const step = await this.graphs.open('language-step');
    return new LanguageModel(prefill, step, this.tokenizer, this.manifest.language);
  }

  private async openMusic(): Promise<{ decoder: MusicDecoder; codec: Codec }> {
    const facts = this.musicFacts();
    const condition = await this.graphs.open('music-condition');
    const prefill = await this.graphs.open('music-prefill');
    const step = await this.graphs.open('music-step');
    const encoder = () => this.graphs.open('codec-encoder');
    const codecDecoder = await this.graphs.open('codec-decoder');
    return {
      decoder: new MusicDecoder({ condition, prefill, step }, facts.decoder),
      codec: new Codec(encoder, codecDecoder, facts.codec),
    };
  }
}

/** Changes with any file of the pack, and with what pack.json says of how its encoders hear and see. */
export function packFingerprint(manifest: PackManifest): string {
  const hash = createHash('sha256');
  const { audioEncoder, imageEncoder, videoEncoder } = manifest;
  hash.update(JSON.stringify([audioEncoder, imageEncoder, videoEncoder]));
  for (const file of manifest.files) hash.update(`${file.name} ${file.sha256}\n`);
  return hash.digest('hex').slice(0, 16);
}
