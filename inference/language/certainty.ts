/** One token of an answer: its text, and the probability that the model gave it before temperature and top-p. */
export type Piece = { text: string; probability: number };

/** Softmax probability of entry `index` of logits [vocab]; entries of -Infinity count as nothing. */
export function probabilityOf(logits: Float32Array, index: number): number {
  let top = -Infinity;
  for (const value of logits) if (value > top) top = value;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - top);
  return Math.exp((logits[index] as number) - top) / sum;
}

/**
 * The probability of the answer's least certain sentence (each sentence states one fact), 0 to 1; null for an answer
 * without words. Of a number of several digits the last one does not count: 127 and 128 bpm are the same answer.
 */
export function leastCertain(pieces: readonly Piece[]): number | null {
  let least: number | null = null;
  let sentence = 1;
  let words = false;
  const close = () => {
    if (words) least = Math.min(least ?? 1, sentence);
    sentence = 1;
    words = false;
  };
  for (const [i, { text, probability }] of pieces.entries()) {
    const word = text.trim();
    if (!isLastDigit(pieces, i)) sentence *= probability;
    if (word !== '') words = true;
    if (/[.!?]$/.test(word)) close();
  }
  close();
  return least;
}

function isLastDigit(pieces: readonly Piece[], at: number): boolean {
  const digit = (index: number) => /^\s*\d$/.test(pieces[index]?.text ?? '');
  return digit(at) && digit(at - 1) && !digit(at + 1);
}

/** What a user is told of it. The estimate is the model's own; how well it holds is in the pack's report. */
export function certaintyNote(certainty: number, sentences: number): string {
  const percent = Math.min(99, Math.max(1, Math.round(100 * certainty)));
  const what = sentences > 1 ? 'of the least certain part of this' : 'of this';
  const advice = certainty < 0.5 ? ' Take it as a guess.' : '';
  return `By its own estimate the model is ${percent} % sure ${what}.${advice}`;
}

/** How many sentences a text has. */
export function sentencesIn(text: string): number {
  return Math.max(1, text.split(/[.!?](?:\s|$)/).filter((part) => part.trim() !== '').length);
}
