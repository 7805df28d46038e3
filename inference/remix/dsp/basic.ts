/** Edits that only move or scale samples: exact to the sample, on channels of equal length. */

type Channels = readonly Float32Array[];

/** Samples of a raised-cosine ramp that keeps a cut from clicking. */
const SEAM_SECONDS = 0.005;

/** Keeps samples [from, to). */
export function slice(channels: Channels, from: number, to: number): Float32Array[] {
  return channels.map((one) => one.slice(from, to));
}

/** Backwards. */
export function reverse(channels: Channels): Float32Array[] {
  return channels.map((one) => one.slice().reverse());
}

/** A raised-cosine fade over `length` samples at one end. */
export function fade(channels: Channels, direction: 'in' | 'out', length: number): Float32Array[] {
  return channels.map((one) => {
    const result = one.slice();
    const count = Math.min(length, result.length);
    for (let i = 0; i < count; i++) {
      const at = direction === 'in' ? i : result.length - 1 - i;
      result[at] = (result[at] as number) * 0.5 * (1 - Math.cos((Math.PI * (i + 0.5)) / count));
    }
    return result;
  });
}

/**
 * Joins pieces end to end, with a few milliseconds of fade on both sides of each seam: no click, and the length
 * is the sum of the pieces' lengths.
 */
export function join(pieces: readonly Channels[], sampleRate: number): Float32Array[] {
  const seam = Math.round(SEAM_SECONDS * sampleRate);
  const first = pieces[0];
  if (!first) return [];
  const total = pieces.reduce((sum, piece) => sum + (piece[0]?.length ?? 0), 0);
  return first.map((_, channel) => {
    const result = new Float32Array(total);
    let at = 0;
    for (const [index, piece] of pieces.entries()) {
      let part: Float32Array = piece[channel] as Float32Array;
      if (index > 0) part = fade([part], 'in', seam)[0] as Float32Array;
      if (index < pieces.length - 1) part = fade([part], 'out', seam)[0] as Float32Array;
      result.set(part, at);
      at += part.length;
    }
    return result;
  });
}

/** Repeats until `length` samples are filled; a sound of no samples stays one. */
export function loopTo(channels: Channels, length: number, sampleRate: number): Float32Array[] {
  const one = channels[0]?.length ?? 0;
  if (one === 0) return slice(channels, 0, 0);
  // The same samples each time, not copies: a second in ten minutes is 600 of them.
  const pieces: Channels[] = [];
  for (let left = length; left > 0; left -= one) {
    pieces.push(left < one ? slice(channels, 0, left) : channels);
  }
  return join(pieces, sampleRate);
}

/**
 * Holds peaks under a ceiling with a look-ahead limiter: the gain needed at each sample is held over 5 ms around
 * it (a sliding minimum) and smoothed by the same length, so it is down before the peak arrives and nothing clips.
 */
export function limit(channels: Channels, sampleRate: number, ceiling = 0.98): Float32Array[] {
  const length = channels[0]?.length ?? 0;
  const reach = Math.max(1, Math.round(0.005 * sampleRate));
  const need = new Float32Array(length).fill(1);
  let over = false;
  for (const one of channels) {
    for (let i = 0; i < length; i++) {
      const size = Math.abs(one[i] as number);
      if (size > ceiling) {
        over = true;
        need[i] = Math.min(need[i] as number, ceiling / size);
      }
    }
  }
  if (!over) return channels.map((one) => one.slice());
  const held = slidingMinimum(need, reach);
  // The mean over [i - reach, i + reach] of minima over the same reach never exceeds the gain needed at i.
  const sums = new Float64Array(length + 1);
  for (let i = 0; i < length; i++) sums[i + 1] = (sums[i] as number) + (held[i] as number);
  return channels.map((one) => {
    const result = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      const from = Math.max(0, i - reach);
      const to = Math.min(length, i + reach + 1);
      result[i] = ((one[i] as number) * ((sums[to] as number) - (sums[from] as number))) / (to - from);
    }
    return result;
  });
}

/** Minimum over [i - reach, i + reach] for each i (a monotonic queue: linear time). */
export function slidingMinimum(values: Float32Array, reach: number): Float32Array {
  const result = new Float32Array(values.length);
  const queue = new Int32Array(values.length);
  let head = 0;
  let tail = 0;
  for (let next = 0; next < values.length + reach; next++) {
    if (next < values.length) {
      while (tail > head && (values[queue[tail - 1] as number] as number) >= (values[next] as number)) tail--;
      queue[tail++] = next;
    }
    const centre = next - reach;
    if (centre < 0) continue;
    while ((queue[head] as number) < centre - reach) head++;
    result[centre] = values[queue[head] as number] as number;
  }
  return result;
}
