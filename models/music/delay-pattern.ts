/**
 * MusicGen's delay pattern: codebook k of a channel is shifted by k columns, so that one step predicts the first
 * codebook of a frame, the second of the frame before, and so on. With three codebooks (P: padding):
 *
 *   frames      delayed
 *   a b c       P a b c P P
 *   d e f  <->  P P d e f P
 *   g h i       P P P g h i
 *
 * The first column is the start of the sequence. Source: Copet et al. 2023, section 2.2; transformers'
 * build_delay_pattern_mask. A stereo model has left and right interleaved in its codebooks, each pair delayed alike.
 */
export interface DelayPattern {
  /** Over all channels. */
  codebooks: number;
  channels: 1 | 2;
  /** Id of the padding: the number of entries of a codebook. */
  pad: number;
}

/** Codes by codebook and step, row-major: `data[codebook * steps + step]`. */
export interface CodeGrid {
  codebooks: number;
  steps: number;
  data: Int32Array;
}

/** Marks a place whose code is still to be predicted. */
export const UNKNOWN = -1;

/** Columns that the delayed form of `frames` frames has, the start column included. */
export function delayedColumns(pattern: DelayPattern, frames: number): number {
  return frames + pattern.codebooks / pattern.channels;
}

/** Column of the delayed form where a codebook's first frame stands. */
function firstColumn(pattern: DelayPattern, codebook: number): number {
  return 1 + Math.floor(codebook / pattern.channels);
}

/**
 * The delayed form of `frames` frames that begin with `prompt` (which may have none): padding where the pattern
 * wants it, the prompt's codes in their places, UNKNOWN where a code is to be predicted. Throws RangeError when the
 * prompt is longer than what it begins or has another number of codebooks.
 */
export function applyDelay(pattern: DelayPattern, prompt: CodeGrid, frames: number): CodeGrid {
  if (prompt.codebooks !== pattern.codebooks || prompt.steps > frames) {
    throw new RangeError(
      `a prompt of ${prompt.codebooks} x ${prompt.steps} codes cannot begin ${pattern.codebooks} x ${frames}`,
    );
  }
  const steps = delayedColumns(pattern, frames);
  const data = new Int32Array(pattern.codebooks * steps).fill(pattern.pad);
  for (let codebook = 0; codebook < pattern.codebooks; codebook++) {
    const start = codebook * steps + firstColumn(pattern, codebook);
    data.fill(UNKNOWN, start, start + frames);
    data.set(prompt.data.subarray(codebook * prompt.steps, (codebook + 1) * prompt.steps), start);
  }
  return { codebooks: pattern.codebooks, steps, data };
}

/** Columns whose every code is known: what may be given to the decoder before anything is predicted. */
export function knownColumns(delayed: CodeGrid): number {
  for (let step = 0; step < delayed.steps; step++) {
    if (column(delayed, step).includes(UNKNOWN)) return step;
  }
  return delayed.steps;
}

/** The codes of one step, by codebook. */
export function column(grid: CodeGrid, step: number): Int32Array {
  return Int32Array.from(
    { length: grid.codebooks },
    (_, codebook) => grid.data[codebook * grid.steps + step] as number,
  );
}

/** Writes the predicted `codes` of one column where the pattern leaves it to prediction; padding and prompt stay. */
export function fillColumn(delayed: CodeGrid, step: number, codes: ArrayLike<number>): void {
  for (let codebook = 0; codebook < delayed.codebooks; codebook++) {
    const place = codebook * delayed.steps + step;
    if (delayed.data[place] === UNKNOWN) delayed.data[place] = codes[codebook] as number;
  }
}

/** The frames of a delayed form: every codebook moved back to its place, the padding left out. */
export function revertDelay(pattern: DelayPattern, delayed: CodeGrid): CodeGrid {
  const frames = delayed.steps - pattern.codebooks / pattern.channels;
  const data = new Int32Array(pattern.codebooks * frames);
  for (let codebook = 0; codebook < pattern.codebooks; codebook++) {
    const start = codebook * delayed.steps + firstColumn(pattern, codebook);
    data.set(delayed.data.subarray(start, start + frames), codebook * frames);
  }
  return { codebooks: pattern.codebooks, steps: frames, data };
}
