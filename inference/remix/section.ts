/** A part of the song that a clause names: "the last 5 seconds", "from 0:10 to 0:20", "after 30 seconds". */
import { TIME, toSeconds } from '#inference/remix/quantities';

export interface Section {
  /** Seconds; a negative number counts from the end. */
  start: number;
  /** Undefined: the end. */
  end: number | undefined;
  /** How it was said: a stretch with both ends, one at an end of the song, or all on one side of a time. */
  how: 'range' | 'first' | 'last' | 'after' | 'before';
  /** The words for it. */
  words: string;
  /** The clause without them. */
  rest: string;
  /** Whether it is itself what is kept or taken out: "remove the last 5 seconds". */
  isObject: boolean;
}

const UNIT = '(?:s|secs?|seconds?|m|mins?|minutes?)';
/** "from 10 to 20 seconds": the unit may stand behind the second number only. */
const FROM_TIME = TIME.replace('\\b)', '\\b|\\d+(?:\\.\\d+)?)');
const TO = '(?:to|until|till|up to|through|-)';
/** "the first minute". */
const SOME_TIME = `(${TIME.slice(1, -1)}|(?:second|minute)\\b)`;
const OF_SONG = '(?:\\s+of (?:it|(?:the|this|that|my) (?:song|track|piece|music|clip|sound|audio)))?';
const LEAD =
  '(?:(?<!\\bfade(?: it| the song)? )\\b(?:of|to|in|for|during|on|over|within|throughout)\\s+)?(?:\\b(?:only|just)\\s+)?(?:\\b(?:the|its)\\s+)?';

const PATTERNS: readonly [how: Section['how'], pattern: RegExp][] = [
  ['before', new RegExp(`\\bfrom (?:the )?(?:very )?(?:start|beginning) ${TO} ${TIME}`)],
  ['after', new RegExp(`\\b(?:from )?${TIME}\\s*${TO}\\s*(?:the )?(?:very )?end\\b`)],
  [
    'range',
    new RegExp(
      `(?:\\b(?:from|between)\\s+)?(?<!\\b(?:first|last|final|opening)\\s+|[\\d.:])${FROM_TIME}\\s*${TO}\\s*${TIME}`,
    ),
  ],
  ['first', new RegExp(`${LEAD}\\b(?:very )?(?:first|opening|initial)\\s+${SOME_TIME}${OF_SONG}`)],
  [
    'first',
    new RegExp(`${LEAD}${TIME}\\s+(?:from|off|at|of) the (?:very )?(?:start|beginning|front)\\b${OF_SONG}`),
  ],
  ['last', new RegExp(`${LEAD}\\b(?:very )?(?:last|final|closing)\\s+${SOME_TIME}${OF_SONG}`)],
  ['last', new RegExp(`${LEAD}${TIME}\\s+(?:from|off|at|of|before) the (?:very )?end\\b${OF_SONG}`)],
  [
    'after',
    new RegExp(
      `\\b(?:starting |beginning |start |begin )?(?:from|after|past|starting at|beginning at|start at|begin at)\\s+${TIME}(?:\\s+(?:on|onwards?))?\\b`,
    ),
  ],
  ['before', new RegExp(`\\b(?:until|till|before|up to)\\s+${TIME}`)],
];

/** Verbs whose object is a part of the song. */
const OBJECT_OF =
  /\b(?:keep|crop|extract|remove|delete|cut|trim|skip|chop|erase|discard|strip|lose)(?: (?:out|off|away|only|just|to|it to|down to|everything|all))*\s*$/;

/** The part of the song that a clause is about; undefined where it names none by its time. */
export function findSection(clause: string): Section | undefined {
  for (const [how, pattern] of PATTERNS) {
    // "repeat it until 1:00" says how long the result lasts.
    if (how === 'before' && /\b(?:loop|repeat|stretch|extend)/.test(clause)) continue;
    const found = pattern.exec(clause);
    if (found === null) continue;
    const rest = `${clause.slice(0, found.index)} ${clause.slice(found.index + found[0].length)}`;
    const isObject =
      OBJECT_OF.test(clause.slice(0, found.index)) && !/^\s*(?:of|in|for|during|on|over)\b/.test(found[0]);
    const section = { how, isObject, words: found[0].trim(), rest: rest.replace(/\s+/g, ' ').trim() };
    const first = secondsOf(found[1] ?? '');
    switch (how) {
      case 'range': {
        const end = secondsOf(found[2] ?? '');
        // "10 to 20 minutes"
        const unit = new RegExp(`${UNIT}$`).exec(found[2] ?? '')?.[0] ?? 's';
        const start = /^\d+(?:\.\d+)?$/.test(found[1] ?? '') ? toSeconds(`${found[1]} ${unit}`) : first;
        if (end <= start) continue;
        return { ...section, start, end };
      }
      case 'first':
      case 'before':
        return { ...section, start: 0, end: first };
      case 'last':
        return { ...section, start: -first, end: undefined };
      case 'after':
        return { ...section, start: first, end: undefined };
    }
  }
  return undefined;
}

function secondsOf(text: string): number {
  if (/^(?:second|minute)$/.test(text)) return text === 'minute' ? 60 : 1;
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : toSeconds(text);
}

/** Whether nothing but a part of the song is said, with or without a word that puts it into a sentence. */
export function isAdverb(clause: string): boolean {
  const section = findSection(clause);
  return section?.rest === '' && /^(?:in|for|during|on|over|within|throughout)\b/.test(clause);
}

/** Parts that no time is said for; where they begin and end can't be known from the sound. */
export const NAMED_PART =
  /\bthe (?:very )?(?:chorus(?:es)?|verses?|bridge|refrain|breakdown|intro|outro|middle(?: (?:part|section|bit|eight))?|ending|start|beginning|end|(?:first|second|third|last|final|other|next) (?:half|third|quarter|part|section|verse|chorus|bit)|\d+(?:st|nd|rd|th) (?:verse|chorus|half|part|section|bridge))\b|\b(?:first|second|last|other) half\b/;

/** Of those, the ones that a fade is at anyway. */
export const FADED_PART =
  /\b(?:at|to|towards|of) (?:the )?(?:very )?(?:start|beginning|end|ending)\b|\bthe (?:start|beginning|end|ending|intro|outro)\b/;
