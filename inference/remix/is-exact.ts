import { MumuError } from '#contracts/errors';
import { parseInstruction } from '#inference/remix/parse';

/** Whether a remix is carried out on the song itself: it makes no new music. What is not understood makes none either. */
export function isExactRemix(instruction: string): boolean {
  try {
    return parseInstruction(instruction).every((step) => step.kind !== 'model');
  } catch (error) {
    if (error instanceof MumuError) return true;
    throw error;
  }
}
