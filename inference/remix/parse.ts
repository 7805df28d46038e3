/** From an instruction in plain language to an edit plan. */
import { MumuError } from '#contracts/errors';
import { splitClauses } from '#inference/remix/clauses';
import type { EditStep, ExactStep } from '#inference/remix/plan';
import { EXACT_RULES } from '#inference/remix/rules-exact';
import { modelRule } from '#inference/remix/rules-model';

/** What can be done, in one sentence, for the answer to an instruction that can't. */
export const WHAT_CAN_BE_DONE =
  'I can change tempo ("20 % slower", "to 90 bpm"), pitch ("a whole tone up", "30 cents down"), trim, fade, reverse, ' +
  'loop, set loudness, bass and treble, add reverb, make it "slowed + reverb" or "nightcore", take vocals down, keep ' +
  'only the drums or only the harmony, and make a new version ("turn it into jazz", "replace the piano by a violin").';

/** Half-sentences that only say what must stay as it is. */
const KEEPING =
  /[,;]?\s*(?:\b(?:but|and|while)\s+)?\b(?:(?:without|not) (?:changing|affecting|altering|touching)|keep(?:ing)?|leav(?:e|ing)|don'?t change|do not change|with)\s+(?:the\s+)?(?:same\s+)?(?:pitch|tempo|speed|key|length)(?:\s+and\s+(?:pitch|tempo|speed|key|length))?(?:\s+(?:the same|as it is|as is|alone|unchanged|constant))?/gi;

/**
 * Reads an instruction, wish by wish, in the order said.
 * @throws {MumuError} cannot_do naming the part that was not understood; invalid_input for an amount out of range
 */
export function parseInstruction(instruction: string): EditStep[] {
  const steps: EditStep[] = [];
  let previous = '';
  for (const said of splitClauses(instruction.replace(KEEPING, ' '))) {
    const clause = carryOver(said, previous);
    steps.push(...parseClause(clause));
    previous = clause;
  }
  if (steps.length === 0) {
    throw new MumuError('cannot_do', `That does not say what to change. ${WHAT_CAN_BE_DONE}`);
  }
  for (const step of steps) checkRange(step);
  return steps;
}

/** "fade in over 2 s and out over 5 s": a clause that lacks its verb takes it from the one before. */
function carryOver(clause: string, previous: string): string {
  if (/^(?:in|out)\b/.test(clause) && /\bfade\b/.test(previous)) return `fade ${clause}`;
  if (/^(?:up|down)\b/.test(clause) && /\bpitch\b/.test(previous)) return `pitch ${clause}`;
  if (/^(?:the )?(?:last|first)\b/.test(clause) && /\b(?:remove|cut|delete|trim)\b/.test(previous)) {
    return `${/\b(?:remove|cut|delete|trim)\b/.exec(previous)?.[0]} ${clause}`;
  }
  return clause;
}

function parseClause(clause: string): EditStep[] {
  // "replace the drums", "add a bass": an instrument is named with a verb of change, so no tone control is meant.
  const replacing = /\b(?:replace|swap|substitute|instead of)\b/.test(clause) ? modelRule(clause) : undefined;
  if (replacing) return [replacing];
  for (const rule of EXACT_RULES) {
    const found = rule(clause);
    if (found) return found;
  }
  const model = modelRule(clause);
  if (model) return [model];
  throw new MumuError(
    'cannot_do',
    `I can't tell what "${clause.slice(0, 80)}" should do. ${WHAT_CAN_BE_DONE}`,
  );
}

/** Smallest and largest value of each amount that still makes sense. */
const RANGES: Partial<
  Record<ExactStep['kind'], readonly [field: string, low: number, high: number, unit: string]>
> = {
  tempo: ['ratio', 0.25, 4, 'times the speed'],
  varispeed: ['ratio', 0.25, 4, 'times the speed'],
  'tempo-to': ['bpm', 20, 400, 'bpm'],
  pitch: ['cents', -2400, 2400, 'cents'],
  gain: ['decibels', -60, 24, 'dB'],
  bass: ['decibels', -24, 24, 'dB'],
  treble: ['decibels', -24, 24, 'dB'],
  loudness: ['lufs', -50, -5, 'LUFS'],
  loop: ['times', 1, 100, 'times'],
  reverb: ['seconds', 0.1, 10, 's'],
};

function checkRange(step: EditStep): void {
  if (step.kind === 'model') return;
  const range = RANGES[step.kind];
  if (!range) return;
  const [field, low, high, unit] = range;
  const value = (step as unknown as Record<string, number>)[field];
  if (value === undefined || !Number.isFinite(value) || value < low || value > high) {
    throw new MumuError(
      'invalid_input',
      `${step.kind} of ${value} is out of range: it can be from ${low} to ${high} ${unit}.`,
    );
  }
}
