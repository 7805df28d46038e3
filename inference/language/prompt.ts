import type { PackTokenizer } from '#inference/language/tokens';

/** Tokens kept free for the answer, at the least. */
const LEAST_ANSWER = 96;

export type Prompt = { ids: number[]; notes: string[] };

/**
 * `<s>` and the pack's template with the instruction. An instruction that does not fit the model's context is cut at
 * its end, with a note.
 */
export function buildPrompt(
  tokenizer: PackTokenizer,
  template: string,
  instruction: string,
  contextTokens: number,
): Prompt {
  const room = contextTokens - LEAST_ANSWER;
  const encode = (text: string) => [
    tokenizer.special.bos,
    // A function as replacement: "$&" in a stranger's text is text.
    ...tokenizer.encode(template.replace('{instruction}', () => text)),
  ];
  const whole = encode(instruction);
  if (whole.length <= room) return { ids: whole, notes: [] };
  const characters = [...instruction];
  let fits = 0;
  let over = characters.length;
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (encode(characters.slice(0, middle).join('')).length <= room) fits = middle;
    else over = middle;
  }
  const note = `The text is too long for this model: only its first ${fits} characters were read.`;
  return { ids: encode(characters.slice(0, fits).join('')), notes: [note] };
}
