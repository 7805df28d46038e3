/** From an instruction in plain language to an edit plan. */
import { MumuError } from '#contracts/errors';
import { Clause } from '#inference/remix/clause';
import { splitClauses } from '#inference/remix/clauses';
import type { EditStep, ExactStep, ModelStep } from '#inference/remix/plan';
import { EXACT_RULES } from '#inference/remix/rules-exact';
import { addsInstrument, modelRule, wantsStyle } from '#inference/remix/rules-model';
import { FADED_PART, findSection, isAdverb, NAMED_PART, type Section } from '#inference/remix/section';
import { instrumentIn, topicsOf, unsaidTopics } from '#inference/remix/topics';

/** What can be done, in one sentence, for the answer to an instruction that can't. */
export const WHAT_CAN_BE_DONE =
  'I can change tempo ("20 % slower", "to 90 bpm"), pitch ("a whole tone up", "30 cents down"), trim, fade, reverse, ' +
  'loop, set loudness, bass and treble, add reverb, make it "slowed + reverb" or "nightcore", take vocals down, keep ' +
  'only the drums or only the harmony, do most of it to a part alone ("reverse the last 5 seconds"), and make a new ' +
  'version ("turn it into jazz", "replace the piano by a violin").';

const LONG_NUMBER = /\d{20}/;

const KEPT = '(?:pitch|tempo|speed|key|length|volume|loudness)';
const KEPT_BOTH = `${KEPT}(?:\\s+and\\s+(?:the\\s+)?${KEPT})?`;
/** Half-sentences that only say what must stay as it is. */
const KEEPING = new RegExp(
  [
    `\\b(?:(?:without|not) (?:changing|affecting|altering|touching)|(?:keep|preserv|maintain|retain|leav)(?:e|ing)?|don'?t change|do not change)\\s+(?:the\\s+|its\\s+)?(?:same\\s+|original\\s+)?${KEPT_BOTH}(?:\\s+(?:the same|as it is|as is|alone|unchanged|constant))?(?!\\s+(?:up|down|higher|lower)\\b)`,
    // "at speed 80 %", "with the pitch up" say what to change.
    `\\b(?:with|at)\\s+(?:the\\s+|its\\s+)?(?:same\\s+|original\\s+)?${KEPT_BOTH}(?:\\s+(?:the same|as it is|as is|unchanged|constant))?(?![\\s:=]*(?:of |to |at |by )?\\s*[-+\\d]|\\s+(?:up|down|higher|lower|the same|as is|as it is|unchanged|constant)\\b)`,
    `\\b(?:the\\s+)?same\\s+${KEPT_BOTH}`,
    `\\b(?:the\\s+)?${KEPT_BOTH}\\s+(?:unchanged|untouched|constant|stays?(?: the same)?)\\b`,
  ]
    .map((one) => `[,;]?\\s*(?:\\b(?:but|and|while)\\s+)?${one}`)
    .join('|'),
  'gi',
);

/**
 * Reads an instruction, wish by wish, in the order said.
 * @throws {MumuError} cannot_do naming the part that was not understood, or cannot be done as it was said;
 *   invalid_input for an amount out of range
 */
export function parseInstruction(instruction: string): EditStep[] {
  // No amount has as many digits, and looking for amounts in thousands of them takes seconds.
  const [digits] = LONG_NUMBER.exec(instruction) ?? [];
  if (digits !== undefined) {
    throw new MumuError(
      'cannot_do',
      `"${digits}..." is no number I can do anything with. ${WHAT_CAN_BE_DONE}`,
    );
  }
  const steps: EditStep[] = [];
  let previous = '';
  for (const said of attachAdverbs(splitClauses(instruction.replace(KEEPING, ' ')))) {
    const clause = carryOver(said, previous);
    const [verb] = CARRIED.exec(previous) ?? [];
    // "add a bass and drums", "remove the drums and the vocals": the verb is said once.
    const more =
      verb === undefined
        ? []
        : [`${verb} ${BARE_BASS.test(clause) && addsInstrument(previous) ? 'a ' : ''}${clause}`];
    steps.push(...parseFirst([clause, ...more]));
    previous = clause;
  }
  if (steps.length === 0) {
    throw new MumuError('cannot_do', `That does not say what to change. ${WHAT_CAN_BE_DONE}`);
  }
  for (const step of steps) checkRange(step);
  return steps;
}

/** "For the last 5 seconds, reverse it": a part of the song that is said for itself goes with what is done to it. */
function attachAdverbs(clauses: readonly string[]): string[] {
  const result: string[] = [];
  let pending = '';
  for (const clause of clauses) {
    if (isAdverb(clause)) {
      pending = clause;
    } else if (pending !== '' && findSection(clause) === undefined) {
      result.push(`${clause} ${pending}`);
      pending = '';
    } else {
      result.push(clause);
    }
  }
  const last = result.at(-1);
  if (pending === '') return result;
  if (last === undefined || findSection(last) !== undefined) return [...result, pending];
  return [...result.slice(0, -1), `${last} ${pending}`];
}

/** Verbs that may be said once for several things. */
const CARRIED = /^(?:add|more|less|fewer|remove|without|no|boost|reduce|increase|with)\b/;
const BARE_BASS = /^bass$/;

/** Of several ways to read a clause, the first that can be done; if none can, why the first can't. */
function parseFirst([text = '', ...others]: readonly string[]): EditStep[] {
  try {
    return parseClause(text);
  } catch (error) {
    for (const other of others) {
      const steps = attempt(() => parseClause(other));
      if (steps !== undefined) return steps;
    }
    throw error;
  }
}

/** "fade in over 2 s and out over 5 s": a clause that lacks its verb takes it from the one before. */
function carryOver(clause: string, previous: string): string {
  if (/^(?:in|out)\b/.test(clause) && /\bfade\b/.test(previous)) return `fade ${clause}`;
  if (/^(?:up|down)\b/.test(clause) && /\bpitch\b/.test(previous)) return `pitch ${clause}`;
  const section = findSection(clause);
  if (section?.rest !== '' || !/^(?:the )?(?:very )?(?:last|first|final|opening)\b/.test(clause))
    return clause;
  const before = findSection(previous);
  if (before === undefined || before.rest === '') return clause;
  if (isKept(before, previous)) {
    throw new MumuError(
      'cannot_do',
      `I can keep one stretch of the song at a time: say "keep ${section.words}" alone, or take out what is between.`,
    );
  }
  return previous.replace(before.words, section.words);
}

function parseClause(text: string): EditStep[] {
  const section = findSection(text);
  if (section !== undefined) return parseSection(text, section);
  const steps = attempt(() => parseWhole(text));
  if (steps !== undefined || topicsOf(text).length > 0) refuseNamedPart(text, steps ?? []);
  return (steps ?? parseWhole(text)).map(sayPlainly);
}

/** Words that were held together are told to the model as they were said. */
function sayPlainly(step: EditStep): EditStep {
  return step.kind === 'model' ? { ...step, instruction: step.instruction.replaceAll('_', ' ') } : step;
}

/** A clause about the whole song. */
function parseWhole(text: string): EditStep[] {
  // "replace the drums", "add a bass": an instrument is named with a verb of change, so no tone control is meant.
  const isModel = /\b(?:replace|swap|substitute|instead of)\b/.test(text) || addsInstrument(text);
  const changed = isModel ? modelRule(text) : undefined;
  if (changed) return [changed];
  const joined = parseJoined(text);
  if (joined) return joined;
  const exact = parseExact(text);
  const model = exact === undefined || wantsStyle(text) ? modelRule(text) : undefined;
  if (exact !== undefined && model !== undefined) return together(text, exact, model);
  if (exact !== undefined) {
    requireAll(text, exact);
    return exact.steps;
  }
  if (model !== undefined) return [model];
  throw notUnderstood(text);
}

type Exact = { steps: ExactStep[]; unread: string[] };

function parseExact(text: string): Exact | undefined {
  for (const rule of EXACT_RULES) {
    const clause = new Clause(text);
    const steps = rule(clause);
    if (steps) return { steps, unread: clause.unread() };
  }
  return undefined;
}

/** Nothing that was said may be passed over in silence. @throws {MumuError} cannot_do */
function requireAll(text: string, { steps, unread }: Exact): void {
  const done = steps.map((step) => step.kind);
  const instrument = instrumentIn(text, steps);
  if (instrument !== undefined) {
    throw new MumuError(
      'cannot_do',
      `I can't change one instrument or voice by itself ("${instrument}" in "${shown(text)}"): what I do here, I do to the whole sound. ${WHAT_CAN_BE_DONE}`,
    );
  }
  const [unsaid] = unsaidTopics(text, done);
  if (unsaid !== undefined) {
    throw tooMuch(text);
  }
  const [number] = unread;
  if (number !== undefined) {
    throw new MumuError(
      'cannot_do',
      `I can't tell what "${number}" means in "${shown(text)}". ${WHAT_CAN_BE_DONE}`,
    );
  }
}

/**
 * A style beside an exact change. An adverb ("a fast punk version") and a tempo in bpm are told to the model, which
 * plays at it; everything else is done to the new music.
 */
function together(text: string, exact: Exact, model: ModelStep): EditStep[] {
  const { steps } = exact;
  const isTempo = steps.every((step) => step.kind === 'tempo' || step.kind === 'tempo-to');
  if (!isTempo) return [model, ...steps];
  const amount =
    /[+-]?\d+(?:[.,]\d+)?\s*(?:%|x\b|times\b)\s*(?:as fast|as slow|faster|slower|quicker)?|\b(?:twice|half) as (?:fast|slow)\b/;
  if (!amount.test(text)) return [model];
  return [{ ...model, instruction: text.replace(amount, ' ').replace(/\s+/g, ' ').trim() }, ...steps];
}

/** Words between two wishes that are not always between two. */
const JOINTS = /\s+(?:(?:with|plus)\s+|at\s+|(?=without\b)|in\s+(?=reverse\b|an?\b|half\b|double\b|the\b))/g;

const MOST_JOINTS = 4;

/** "20 % slower with reverb", "loop it at half speed": two wishes, where each can be read by itself. */
function parseJoined(text: string): EditStep[] | undefined {
  const joints = Array.from(text.matchAll(JOINTS));
  // Each doubles the ways to read a clause.
  if (joints.length > MOST_JOINTS) return undefined;
  for (const joint of joints) {
    const left = text.slice(0, joint.index);
    const right = text.slice(joint.index + joint[0].length);
    const topics = topicsOf(left);
    // What the right side says has to be something of its own.
    if (!topicsOf(right).some((topic) => !topics.includes(topic))) continue;
    const first = attempt(() => parseWhole(left));
    if (first === undefined) continue;
    const isNew = first.some((step) => step.kind === 'model');
    const second =
      attempt(() => parseWhole(right)) ??
      attempt(() => parseWhole(`add ${right}`)) ??
      attempt(() => parseWhole(`with ${right}`));
    if (second === undefined) continue;
    // What the model is told, it is told whole.
    if (isNew && second.some((step) => step.kind === 'model')) continue;
    if (isNew && second.every((step) => step.kind === 'tempo-to')) continue;
    if (first.some((step) => second.some((other) => other.kind === step.kind))) continue;
    return [...first, ...second];
  }
  return undefined;
}

const REMOVING =
  /\b(?:remove|delete|cut|drop|skip|take (?:out|off|away)|chop|snip|clip|without|lose|get rid of|trim|shave|strip|discard|throw away|erase)\b/;
const KEEPING_VERB =
  /\b(?:keep|only|just|crop|extract|grab|take|use|leave|want|give me|play|start|begin|shorten|limit|save|pick|select|hear|have)\b/;
/** "cut it to the first 10 seconds" keeps them. */
const CUT_TO =
  /\b(?:cut|trim|crop|chop|shorten|reduce|limit)(?: (?:it|this|that|the (?:song|track)))?(?: down)?(?: to(?: (?:just|only))?| from)(?: the)?\b/;
const ALL_BUT = /\b(?:everything|all|anything)\b.*\b(?:but|except|besides|other than|apart from|outside)\b/;

/** Whether a clause that does nothing else keeps a part; false: it takes it out; undefined: neither is said. */
function isKept({ how, rest }: Section, text: string): boolean | undefined {
  const removes =
    REMOVING.test(rest) &&
    !CUT_TO.test(text) &&
    !(how === 'range' && /\btrim\b/.test(rest) && !/\btrim (?:off|out|away)\b/.test(rest));
  const keeps = rest === '' || KEEPING_VERB.test(rest) || CUT_TO.test(text) || /\btrim\b/.test(rest);
  const flips = ALL_BUT.test(text);
  if (removes) return flips;
  return keeps ? !flips : undefined;
}

/** A clause about a part of the song: it is kept, taken out, or the only one to be changed. */
function parseSection(text: string, section: Section): EditStep[] {
  const { rest, start, end } = section;
  const done = rest === '' ? undefined : attempt(() => parseWhole(rest));
  if (done !== undefined && section.isObject) throw tooMuch(text);
  if (done !== undefined) return stepsOn(text, section, done);
  const kept = isKept(section, text);
  // Numbers and wishes that would be lost.
  if (kept === undefined || /\d/.test(rest) || topicsOf(rest).some((topic) => topic !== 'length'))
    throw notUnderstood(text);
  if (kept) return [{ kind: 'trim', start, end }];
  if (start === 0 && end !== undefined) return [{ kind: 'trim', start: end, end: undefined }];
  if (end === undefined) return [{ kind: 'trim', start: 0, end: start }];
  return [{ kind: 'cut', start, end }];
}

function stepsOn(text: string, section: Section, steps: readonly EditStep[]): EditStep[] {
  const { start, end, rest } = section;
  const exact = steps.filter((step): step is ExactStep => step.kind !== 'model');
  if (exact.length < steps.length) {
    throw new MumuError(
      'cannot_do',
      `New music is made for the whole song, not for a part of it: "${shown(text)}" can't be done. ${WHAT_CAN_BE_DONE}`,
    );
  }
  if (exact.every((step) => step.kind === 'fade')) return fadeOn(text, section, exact);
  const [first] = exact;
  if (exact.length === 1 && (first?.kind === 'loop' || first?.kind === 'loop-to')) {
    // A loop is made of the part; what is repeated or played again stays in its place.
    const isInPlace = first.kind === 'loop' && !/\bloop/.test(rest);
    if (!isInPlace) return [{ kind: 'trim', start, end }, first];
  }
  const isPart = exact.every((step) => !['trim', 'cut', 'fade', 'loop-to', 'section'].includes(step.kind));
  if (!isPart) throw tooMuch(text);
  return [{ kind: 'section', start, end, steps: exact }];
}

/** A fade is at the beginning or at the end of the song: "fade out the last 5 seconds". */
function fadeOn(text: string, { how, start, end }: Section, fades: readonly ExactStep[]): ExactStep[] {
  const directions = fades.flatMap((step) => (step.kind === 'fade' ? [step] : []));
  const both = directions.length > 1;
  const isFirst = how === 'first' || (how === 'range' && start === 0) || (how === 'before' && start === 0);
  const wanted = isFirst ? 'in' : how === 'last' ? 'out' : undefined;
  const one = directions.find((step) => step.direction === wanted);
  const length = isFirst ? end : -start;
  // "fade" alone has no direction of its own: both were meant.
  if (one !== undefined && length !== undefined && (!both || !/\bin\b|fade_in_and_out/.test(text))) {
    if (one.seconds === undefined || one.seconds === length) return [{ ...one, seconds: length }];
    throw tooMuch(text);
  }
  throw new MumuError(
    'cannot_do',
    `A fade is at the beginning or at the end of the song: "${shown(text)}" can't be done. Trim it first, as in "keep 0:00 to 0:30, then fade out over 5 seconds".`,
  );
}

/** @throws {MumuError} cannot_do where a change is wished for a part whose place is not said */
function refuseNamedPart(text: string, steps: readonly EditStep[]): void {
  const part = NAMED_PART.exec(text)?.[0];
  if (part === undefined) return;
  if (steps.length > 0 && steps.every((step) => step.kind === 'fade') && FADED_PART.test(text)) return;
  if (
    steps.length > 0 &&
    steps.every((step) => step.kind === 'model') &&
    /\bthe (?:very )?(?:start|beginning|end|ending)\b/.test(part)
  )
    return;
  throw new MumuError(
    'cannot_do',
    `I don't know where "${part}" is: I find a part of the song by its time only ("the last 5 seconds", "from 0:10 to 0:20"), and work on the whole song otherwise.`,
  );
}

function tooMuch(text: string): MumuError {
  return new MumuError(
    'cannot_do',
    `"${shown(text)}" asks for more than one change, and I can't tell how they go together: say them one after the other, with "and" or "then" between.`,
  );
}

function notUnderstood(text: string): MumuError {
  return new MumuError('cannot_do', `I can't tell what "${shown(text)}" should do. ${WHAT_CAN_BE_DONE}`);
}

const shown = (text: string): string => text.replaceAll('_', ' ').slice(0, 80);

/** What something comes to; undefined where it can't be understood. */
function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof MumuError && error.code === 'cannot_do') return undefined;
    throw error;
  }
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
  if (step.kind === 'section') for (const one of step.steps) checkRange(one);
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
