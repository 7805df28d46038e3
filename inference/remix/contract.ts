import type { EngineOutput } from '#contracts/engine';
import type { Stage } from '#contracts/progress';
import type { Request } from '#contracts/request';
import type { PlanStep } from '#contracts/result';
import type { DecodedAudio, Sound } from '#inference/media/audio';
import type { ModelChange } from '#models/checkpoint/metadata';

/** What a remix is asked to do. */
export type RemixJob = {
  /** The user's words. */
  instruction: string;
  request: Extract<Request, { command: 'remix' }>;
  /** 32 bits; everything random in a remix follows from it. */
  seed: number;
};

/** What the engine offers a remix. Everything here honours `signal` and counts in the job's timings. */
export type RemixContext = {
  /** Aborts when the user cancels; long loops look at it and wait for `breathe`. */
  signal: AbortSignal;
  /** To be awaited between long steps: lets a cancel in. @throws MumuError cancelled */
  breathe(): Promise<void>;
  /** Something the user should know; it is shown at once and stays with the result. */
  note(text: string): void;
  /** Text so far, whole. */
  text(text: string): void;
  /** Part of a stage done, 0 to 1. */
  progress(stage: Stage, fraction: number): void;

  /** The pack that makes new music, and the kinds of change that it was trained to make. */
  pack: { name: string; changes: readonly ModelChange[] };
  /** Name of the song that is remixed, as the user knows it. */
  songName: string;
  /** Whether the song is the sound of a clip (which then can come back as mp4). */
  isClip: boolean;
  /**
   * The song: at its own rate (up to 48 kHz), mono or stereo as it is, unless asked otherwise.
   * @throws MumuError as decodeAudio
   */
  decodeSong(options?: { sampleRate?: number; channels?: 1 | 2 }): Promise<DecodedAudio>;
  /**
   * Asks the language model about the song: its answer. Without a song the model only reads.
   * @throws MumuError cancelled
   */
  understand(question: string): Promise<string>;
  /**
   * New material from the models, conditioned on the song (by the language model, which listens to it): mono or
   * stereo at the codec's rate, loudness-normalised, exactly `seconds` long.
   * @throws MumuError cannot_do (a pack without music), cancelled
   */
  compose(wish: {
    instruction: string;
    seconds: number;
  }): Promise<{ sound: Sound; caption: string; text: string }>;
  /** Writes a result in the format asked for; `name` without ending. */
  write(sound: Sound, name: string): Promise<EngineOutput>;
};

/** What a remix ends in. */
export type RemixOutcome = {
  text: string;
  files: EngineOutput[];
  plan: PlanStep[];
  /** What the music decoder was told, if it was asked. */
  caption?: string;
};

/** `inference/remix/index.ts` exports this function as `remix`. */
export type Remix = (job: RemixJob, context: RemixContext) => Promise<RemixOutcome>;
