/** Rules about pitch. */
import { group } from '#inference/remix/clause';
import { intensity, NUMBER, toNumber } from '#inference/remix/quantities';
import { type Rule, SPEED } from '#inference/remix/rules-words';

const INTERVALS: readonly [RegExp, number][] = [
  [/(?:half|semi)[ -]?(?:a )?(?:step|tone)s?|half tone/, 100],
  [/whole[ -]?(?:step|tone)s?|(?:\b|-)tones?\b|full[ -]?(?:step|tone)s?/, 200],
  [/minor third/, 300],
  [/(?:major )?third\b/, 400],
  [/fourth\b/, 500],
  [/tritone/, 600],
  [/fifth\b/, 700],
  [/octaves?/, 1200],
];

/** "2 st", "+3st": semitones in a producer's short hand. "1st" and "21st century" are none. */
const SHORT_SEMITONES = '([+-]\\d+(?:\\.\\d+)?\\s?|\\b\\d+(?:\\.\\d+)?\\s)st\\b(?!\\s*(?:century|street))';

export const pitch: Rule = (clause) => {
  const about = clause.has(/\b(?:pitch(?:ed)?|transposed?|semi-?tones?|semis|cents?|octaves?|key)\b/);
  // "raise the volume by a third"
  if (!about && (clause.has(SPEED) || clause.has(/\b(?:volume|loud|bass|treble|length|duration)/)))
    return undefined;
  const down = clause.has(/\b(?:down|lower|lowered|deeper|below|flat|drop|reduce|decrease)\b|(?:^|\s)-\s?\d/);
  const sign = down ? -1 : 1;
  const cents = clause.find(`${NUMBER}\\s*cents?\\b`);
  if (cents) return [{ kind: 'pitch', cents: sign * Math.abs(toNumber(group(cents, 1))) }];
  const semitones =
    clause.find(`${NUMBER}\\s*(?:semi-?tones?|half[ -]?(?:steps?|tones?)|semis)\\b`) ??
    clause.find(SHORT_SEMITONES);
  if (semitones && !/^half an?$/.test(group(semitones, 1)))
    return [{ kind: 'pitch', cents: sign * 100 * Math.abs(toNumber(group(semitones, 1))) }];
  const directed = clause.has(
    /\b(?:up|down|higher|lower|raise|increase|reduce|decrease|transpose|pitch|drop|deeper|octave)\b/,
  );
  if (directed) {
    for (const [pattern, size] of INTERVALS) {
      const found = pattern.exec(clause.text);
      if (!found) continue;
      const count = /(\d+|two|three|four)\s*$/.exec(clause.text.slice(0, found.index));
      if (count) clause.find(`${count[0]}(?=${found[0]})`);
      return [{ kind: 'pitch', cents: sign * size * (count?.[1] ? toNumber(count[1]) : 1) }];
    }
    const plain = clause.find(
      `(?:pitch|transpose|key)[a-z ]*?(?:up|down|by|higher|lower)?\\s*(?:by )?([+-]?\\d+(?:[.,]\\d+)?)$`,
    );
    if (plain) {
      const value = toNumber(group(plain, 1));
      return [{ kind: 'pitch', cents: value < 0 ? 100 * value : sign * 100 * value }];
    }
  }
  if (
    clause.has(
      /\b(?:pitch(?:ed)?|transpose[ds]?)\b.*\b(?:up|down|higher|lower)\b|\b(?:higher|lower|raise|drop|increase|reduce|decrease)\b.*\bpitch\b/,
    )
  )
    return [{ kind: 'pitch', cents: sign * 200 * intensity(clause.text) }];
  if (clause.has(/^(?:make (?:it |this |the song )?)?(?:a (?:bit|little) )?(?:higher|lower|deeper)$/))
    return [{ kind: 'pitch', cents: sign * 200 * intensity(clause.text) }];
  return undefined;
};
