/** Rules about when: lengths, fades, order, repeats. */
import { group } from '#inference/remix/clause';
import { NUMBER, TIME, toNumber, toSeconds } from '#inference/remix/quantities';
import type { Rule } from '#inference/remix/rules-words';

/** How long a result shall be, from its beginning: "trim to 30 seconds", "end at 0:30". */
export const trimTo: Rule = (clause) => {
  const to = clause.find(
    `\\b(?:trim|cut|shorten|limit|crop|chop|keep|end|stop|ending|stopping)[a-z ]*?(?:to|down to|at|after)\\s*${TIME}`,
  );
  return to ? [{ kind: 'trim', start: 0, end: toSeconds(group(to, 1)) }] : undefined;
};

export const fade: Rule = (clause) => {
  if (!clause.has(/\bfad(?:e|es|ed|ing)(?![a-z])/)) return undefined;
  const found = clause.find(TIME);
  const seconds = found ? toSeconds(group(found, 1)) : undefined;
  if (clause.has(/fade_in_and_out/) || !clause.has(/\b(?:in|out)\b/))
    return [
      { kind: 'fade', direction: 'in', seconds },
      { kind: 'fade', direction: 'out', seconds },
    ];
  return [
    { kind: 'fade', direction: clause.has(/\bin\b/) && !clause.has(/\bout\b/) ? 'in' : 'out', seconds },
  ];
};

export const reverse: Rule = (clause) =>
  clause.has(/\brevers(?:e|ed)\b|\bbackwards?\b/) ? [{ kind: 'reverse' }] : undefined;

/** "twice", "3 times" say how often, unless something else is said to be so much more. */
const TIMES = `(?:${NUMBER}\\s*(?:x\\b|×|times\\b)|\\b(?:twice|thrice)\\b)(?! (?:as|the|its|faster|slower|louder|quieter|higher|lower|longer)\\b)`;

export const loop: Rule = (clause) => {
  const isPlayed = clause.has(/\bplay(?:ed)?\b/) && clause.has(new RegExp(TIMES));
  if (!isPlayed && !clause.has(/\b(?:loop|repeat|looped|repeated|looping|repeating)\b/)) return undefined;
  const until = clause.find(`(?:for|to|until|till)[a-z ]*?\\s*${TIME}`);
  if (until) return [{ kind: 'loop-to', seconds: toSeconds(group(until, 1)) }];
  const times = clause.find(TIMES) ?? clause.find('x\\s*(\\d+)');
  const count = group(times, 1);
  if (count !== '') return [{ kind: 'loop', times: Math.round(toNumber(count)) }];
  return [{ kind: 'loop', times: clause.has(/\bthrice\b/) ? 3 : 2 }];
};
