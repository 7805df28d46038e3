/** How far a graph's numbers are from the reference's. */
export interface Difference {
  /** max |a - b| / max |b| */
  largest: number;
  /** mean |a - b| / max |b| */
  mean: number;
}

/** Compares two arrays of the same length against the reference's largest magnitude. */
export function compare(actual: ArrayLike<number>, reference: ArrayLike<number>): Difference {
  if (actual.length !== reference.length || actual.length === 0) {
    throw new Error(`cannot compare ${actual.length} numbers with ${reference.length}`);
  }
  let largest = 0;
  let total = 0;
  let magnitude = 0;
  for (let index = 0; index < actual.length; index++) {
    const difference = Math.abs((actual[index] as number) - (reference[index] as number));
    // A NaN must fail the comparison, and Math.max keeps it.
    largest = Math.max(largest, difference);
    total += difference;
    magnitude = Math.max(magnitude, Math.abs(reference[index] as number));
  }
  if (magnitude === 0) throw new Error('the reference is zero everywhere: nothing is compared');
  return { largest: largest / magnitude, mean: total / actual.length / magnitude };
}

/** Reproducible numbers between -1 and 1 (mulberry32). */
export function randomFloats(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2147483648 - 1;
  });
}
