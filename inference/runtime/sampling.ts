import type { Random } from '#inference/runtime/random';

/** Index of the largest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** Candidates in falling order of probability (ties by index, so that the order never depends on the engine). */
function ranked(logits: Float32Array, temperature: number): { order: Uint32Array; weights: Float64Array } {
  let top = -Infinity;
  for (const value of logits) if (value > top) top = value;
  const weights = new Float64Array(logits.length);
  for (let i = 0; i < logits.length; i++) weights[i] = Math.exp(((logits[i] as number) - top) / temperature);
  const order = Uint32Array.from(weights, (_, i) => i);
  order.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  return { order, weights };
}

function draw(order: Uint32Array, weights: Float64Array, count: number, random: Random): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[order[i] as number] as number;
  let left = random() * sum;
  for (let i = 0; i < count; i++) {
    left -= weights[order[i] as number] as number;
    if (left < 0) return order[i] as number;
  }
  return order[count - 1] as number;
}

/**
 * Draws a token: softmax at `temperature`, then only the smallest set of the likeliest tokens with at least `topP`
 * of the probability (nucleus sampling, Holtzman et al. 2020). Temperature 0 takes the likeliest. Tokens whose
 * logit is -Infinity are never drawn.
 */
export function sampleTopP(
  logits: Float32Array,
  { temperature, topP }: { temperature: number; topP: number },
  random: Random,
): number {
  if (temperature <= 0) return argmax(logits);
  const { order, weights } = ranked(logits, temperature);
  let total = 0;
  for (const weight of weights) total += weight;
  let count = 0;
  let sum = 0;
  while (count < order.length && sum < topP * total) {
    sum += weights[order[count] as number] as number;
    count += 1;
  }
  return draw(order, weights, Math.max(1, count), random);
}

/** Draws among the `topK` likeliest (Fan et al. 2018) at `temperature`; temperature 0 takes the likeliest. */
export function sampleTopK(
  logits: Float32Array,
  { temperature, topK }: { temperature: number; topK: number },
  random: Random,
): number {
  if (temperature <= 0 || topK === 1) return argmax(logits);
  const { order, weights } = ranked(logits, temperature);
  return draw(order, weights, Math.min(topK, order.length), random);
}
