import { contextFrames } from '#inference/music/windows';
import { breathe } from '#inference/runtime/abort';
import { KeyValueCache } from '#inference/runtime/key-value-cache';
import type { Random } from '#inference/runtime/random';
import { sampleTopK } from '#inference/runtime/sampling';
import { type Fetches, floats, longs, type Session, takeFloats } from '#inference/runtime/session';
import {
  applyDelay,
  type CodeGrid,
  column,
  type DelayPattern,
  fillColumn,
  knownColumns,
  revertDelay,
} from '#models/music/delay-pattern';

/** Runtime facts of a music decoder. */
export type MusicDims = {
  layers: number;
  heads: number;
  headDim: number;
  /** Over all channels. */
  codebooks: number;
  channels: 1 | 2;
  /** Entries of a codebook; its padding has this id. */
  codebookSize: number;
  /** Frames of codes a second. */
  frameRate: number;
  /** Frames the decoder was trained on at once. */
  windowFrames: number;
};

/** What the decoder is told: `states` [length, width], `mask` [length] of ones and zeros. */
export type Condition = { states: Float32Array; length: number; width: number; mask: Float32Array };

export type MusicSampling = { guidance: number; temperature: number; topK: number };

/**
 * MusicGen's decoder (Copet et al. 2023): codes with the delay pattern, classifier-free guidance by a batch of two
 * (with the condition, and with the null condition: zeros under a mask of zeros), top-k sampling.
 */
export class MusicDecoder {
  private readonly pattern: DelayPattern;

  constructor(
    private readonly sessions: { condition: Session; prefill: Session; step: Session },
    readonly dims: MusicDims,
  ) {
    this.pattern = { codebooks: dims.codebooks, channels: dims.channels, pad: dims.codebookSize };
  }

  /**
   * `frames` frames of codes that begin with `prompt` (may be empty). Past the decoder's window the last part of what
   * is there is given again as the beginning of the next window, from a beat on where `beatFrames` says how long one is.
   * @throws MumuError cancelled
   */
  async generate(
    condition: Condition,
    prompt: CodeGrid,
    frames: number,
    sampling: MusicSampling,
    options: {
      random: Random;
      signal?: AbortSignal | undefined;
      onProgress?: (fraction: number) => void;
      beatFrames?: number | undefined;
    },
  ): Promise<CodeGrid> {
    const { codebooks, windowFrames } = this.dims;
    const cross = await this.condition(condition, sampling.guidance !== 1);
    const data = new Int32Array(codebooks * frames);
    const all: CodeGrid = { codebooks, steps: frames, data };
    copyFrames(prompt, 0, all, 0, Math.min(prompt.steps, frames));
    let done = Math.min(prompt.steps, frames);
    const fresh = frames - done;
    while (done < frames) {
      const before = frames <= windowFrames ? done : contextFrames(done, windowFrames, options.beatFrames);
      const length = Math.min(windowFrames, before + frames - done);
      const opening = emptyCodes(codebooks, before);
      copyFrames(all, done - before, opening, 0, before);
      const start = done;
      const window = await this.window(cross, opening, length, sampling, {
        ...options,
        onProgress: (fraction) => {
          const made = start - (frames - fresh) + fraction * (length - before);
          options.onProgress?.(Math.min(1, made / fresh));
        },
      });
      copyFrames(window, before, all, done, length - before);
      done += length - before;
    }
    return all;
  }

  /** One window, its first frames given. */
  private async window(
    cross: CrossState,
    prompt: CodeGrid,
    frames: number,
    sampling: MusicSampling,
    options: { random: Random; signal?: AbortSignal | undefined; onProgress?: (fraction: number) => void },
  ): Promise<CodeGrid> {
    const { codebooks } = this.dims;
    const delayed = applyDelay(this.pattern, prompt, frames);
    const known = knownColumns(delayed);
    await breathe(options.signal);
    const run = await this.start(cross, delayed, known);
    for (let step = known; step < delayed.steps; step++) {
      await breathe(options.signal);
      const codes = new Int32Array(codebooks);
      for (let codebook = 0; codebook < codebooks; codebook++) {
        codes[codebook] = sampleTopK(
          this.guided(run.logits, codebook, cross.batch, sampling),
          sampling,
          options.random,
        );
      }
      fillColumn(delayed, step, codes);
      options.onProgress?.((step - known + 1) / (delayed.steps - known));
      if (step + 1 < delayed.steps) await run.advance(column(delayed, step));
    }
    return revertDelay(this.pattern, delayed);
  }

  /** Logits of one codebook under guidance: without + scale * (with - without). logits [batch, codebooks, card]. */
  private guided(
    logits: Float32Array,
    codebook: number,
    batch: number,
    sampling: MusicSampling,
  ): Float32Array {
    const { codebooks, codebookSize } = this.dims;
    const own = logits.subarray(codebook * codebookSize, (codebook + 1) * codebookSize);
    if (batch === 1) return own;
    const from = (codebooks + codebook) * codebookSize;
    const without = logits.subarray(from, from + codebookSize);
    return own.map(
      (value, i) => (without[i] as number) + sampling.guidance * (value - (without[i] as number)),
    );
  }

  /** Keys and values of the condition, once a request; with guidance the null condition is the second row. */
  private async condition(condition: Condition, guided: boolean): Promise<CrossState> {
    const { length, width, states, mask } = condition;
    const batch = guided ? 2 : 1;
    const rows = new Float32Array(batch * length * width);
    rows.set(states);
    const masks = new Float32Array(batch * length);
    masks.set(mask);
    const conditionMask = floats(masks, [batch, length]);
    const cross = await this.sessions.condition.run({
      condition: floats(rows, [batch, length, width]),
      condition_mask: conditionMask,
    });
    return { batch, feeds: { ...cross, condition_mask: conditionMask } };
  }

  private async start(cross: CrossState, delayed: CodeGrid, known: number): Promise<MusicRun> {
    const { layers, heads, headDim, codebooks } = this.dims;
    const { batch } = cross;
    const opening = new Int32Array(batch * codebooks * known);
    for (let row = 0; row < batch * codebooks; row++) {
      const codebook = row % codebooks;
      opening.set(
        delayed.data.subarray(codebook * delayed.steps, codebook * delayed.steps + known),
        row * known,
      );
    }
    const first = await this.sessions.prefill.run({
      codes: longs(opening, [batch, codebooks, known]),
      ...cross.feeds,
    });
    const cache = new KeyValueCache({ layers, rows: batch * heads, headDim }, delayed.steps);
    cache.fill(takeFloats(first, 'keys'), takeFloats(first, 'values'), known);
    const { step } = this.sessions;
    const run: MusicRun = {
      logits: takeFloats(first, 'logits'),
      async advance(codes) {
        const fetches = await step.run({
          codes: longs(repeat(codes, batch), [batch, codebooks]),
          position: longs([cache.positions], [1]),
          ...cache.feeds([batch, heads]),
          ...cross.feeds,
        });
        cache.append(takeFloats(fetches, 'new_keys'), takeFloats(fetches, 'new_values'));
        run.logits = takeFloats(fetches, 'logits');
      },
    };
    return run;
  }
}

type CrossState = { batch: number; feeds: Fetches };
type MusicRun = { logits: Float32Array; advance(codes: Int32Array): Promise<void> };

function repeat(codes: Int32Array, times: number): Int32Array {
  const out = new Int32Array(codes.length * times);
  for (let i = 0; i < times; i++) out.set(codes, i * codes.length);
  return out;
}

/** A grid of zeros. */
export function emptyCodes(codebooks: number, steps: number): CodeGrid {
  return { codebooks, steps, data: new Int32Array(codebooks * steps) };
}

/** Copies `count` frames of every codebook. */
export function copyFrames(from: CodeGrid, start: number, to: CodeGrid, at: number, count: number): void {
  for (let codebook = 0; codebook < from.codebooks; codebook++) {
    const source = codebook * from.steps + start;
    to.data.set(from.data.subarray(source, source + count), codebook * to.steps + at);
  }
}
