/** Rules about speed: of the tempo alone, and of tempo and pitch together. */
import { group } from '#inference/remix/clause';
import { intensity, NUMBER, TIME, toNumber, toSeconds } from '#inference/remix/quantities';
import {
  DIGITS,
  fractionOf,
  isWhole,
  LOWERING,
  RAISING,
  type Rule,
  SPEED,
} from '#inference/remix/rules-words';

const BPM = '(?:bpm|beats? (?:a|per) minute)';
/** No unit of time may follow: "to 2 minutes" is no factor. */
const NO_TIME = '(?![\\d.,]|:\\d|\\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|bpm)\\b)';

export const slowedReverb: Rule = (clause) => {
  if (!clause.has(/slowed_and_reverb/)) return undefined;
  const percent = clause.find(`${NUMBER}\\s*%`);
  const factor = percent ? undefined : clause.find(`${DIGITS}\\s*(?:x|×|times)`);
  const ratio = percent ? 1 - toNumber(group(percent, 1)) / 100 : factor ? toNumber(group(factor, 1)) : 0.85;
  return [
    { kind: 'varispeed', ratio },
    { kind: 'reverb', mix: 0.35, seconds: 2.8 },
  ];
};

export const nightcore: Rule = (clause) => {
  if (!clause.has(/night\s?core/)) return undefined;
  const amount =
    clause.find(
      `night\\s?core(?: (?:version|remix|style))? *(?:at |by |with )?${DIGITS}\\s*(%|x\\b|×)(?! slower)`,
    ) ?? clause.find(`${DIGITS}\\s*(%|x|×) (?:faster )?night\\s?core`);
  if (!amount) return [{ kind: 'varispeed', ratio: 1.25 }];
  const value = toNumber(group(amount, 1));
  return [{ kind: 'varispeed', ratio: group(amount, 2) === '%' ? 1 + value / 100 : value }];
};

export const varispeed: Rule = (clause) => {
  if (!clause.has(/speed_and_pitch|like a (?:tape|record|turntable)|chipmunk|vari-?speed/)) return undefined;
  const percent = clause.find(`${NUMBER}\\s*%`);
  const factor = clause.find(`(?:x\\s*|by a factor of |times )?${DIGITS}\\s*(?:x|times)?`);
  const down = clause.has(/down|slow|lower|reduce/);
  if (percent) {
    const amount = toNumber(group(percent, 1)) / 100;
    if (isWhole(clause, 'speed_and_pitch', down || clause.has(/\bup\b|fast|rais|increas/)))
      return [{ kind: 'varispeed', ratio: amount }];
    return [{ kind: 'varispeed', ratio: 1 + (down ? -1 : 1) * amount }];
  }
  if (factor) return [{ kind: 'varispeed', ratio: toNumber(group(factor, 1)) }];
  return [{ kind: 'varispeed', ratio: down ? 0.85 : 1.25 }];
};

export const tempoInBpm: Rule = (clause) => {
  const fromTo = clause.find(`from ${DIGITS}(?: ?bpm)? to ${DIGITS} ?${BPM}`);
  if (fromTo) {
    return [{ kind: 'tempo', ratio: toNumber(group(fromTo, 2)) / toNumber(group(fromTo, 1)) }];
  }
  // "a beat a minute" is one, "a bpm of 90" is not.
  const amount =
    clause.find(`\\bbpm\\s*(?:of|to|at|is|by|=|:)?\\s*${DIGITS}(?!\\s*%)`) ??
    clause.find(`${DIGITS}\\s*(?:more |less |fewer )?${BPM}`) ??
    clause.find(`${NUMBER}\\s+(?:more |less |fewer )?(?:bpm\\b(?! (?:of|to|at))|beats? (?:a|per) minute)`);
  if (!amount) return undefined;
  const value = toNumber(group(amount, 1));
  const isSigned = /^[+-]/.test(group(amount, 1));
  const isTarget = clause.has(
    /\b(?:to|at|of|=|:|is)\s*(?:about |around |exactly |a )?[\d.,]+|\bbpm (?:to|at|of)\b/,
  );
  // "10 bpm faster", "faster by 10 bpm"; "a faster 140 bpm version" says where it goes, not how far.
  const isCompared = clause.has(/\bby\b|\b(?:bpm|minute)\s*(?:faster|quicker|slower)/);
  const down =
    clause.has(LOWERING) ||
    clause.has(/\bslow\b.*\bdown\b|\bfewer\b/) ||
    (isCompared && clause.has(/\bslower\b/));
  const up = clause.has(RAISING) || (isCompared && clause.has(/\b(?:faster|quicker)\b/));
  if (isTarget && !isSigned) return [{ kind: 'tempo-to', bpm: value }];
  if (isSigned) return [{ kind: 'tempo-by', bpm: value > 0 && down ? -value : value }];
  if (down || up) return [{ kind: 'tempo-by', bpm: down ? -value : value }];
  // "by 10 bpm" alone does not say which way.
  return clause.has(/\bby\b/) ? undefined : [{ kind: 'tempo-to', bpm: value }];
};

export const tempo: Rule = (clause) => {
  if (clause.has(/\bduration\b|\blength\b|\bas long\b/)) {
    const factor =
      clause.find(`(?:x|×|\\*|by|times)\\s*${NUMBER}${NO_TIME}`) ?? clause.find(`${NUMBER}\\s*(?:x|×|times)`);
    if (factor) return [{ kind: 'tempo', ratio: 1 / toNumber(group(factor, 1)) }];
    if (clause.has(/twice as long|(?:double|twice) the (?:duration|length)/))
      return [{ kind: 'tempo', ratio: 0.5 }];
    if (clause.has(/half as long|(?:halve|half) the (?:duration|length)/))
      return [{ kind: 'tempo', ratio: 2 }];
  }
  const aboutSpeed =
    clause.has(SPEED) ||
    clause.has(/\bslow(?:er|ed|ing)?\b|\bfast(?:er)?\b|\bquicker\b|\bsped\b|\bspeed|\b(?:ac|de)celerate/) ||
    clause.has(/\b(?:half|double)[ -]?time\b/);
  if (!aboutSpeed) return undefined;
  if (clause.has(/\b(?:reverb|fade|bass|treble|volume|pitch)\b/) && !clause.has(/\b(?:without|same|keep)/))
    return undefined;
  const tooMuch = /\b(?:less|too|not (?:so|as|that))\s+(fast|slow)\b/.exec(clause.text)?.[1];
  if (tooMuch) return [{ kind: 'tempo', ratio: tooMuch === 'fast' ? 0.85 : 1.15 }];
  const up =
    clause.has(
      /\bfast(?:er)?\b|\bquicker\b|\bsped up\b|\bspeed(?:ed|ing)?\b.*\bup\b|\bspeed[ -]up\b|\baccelerate/,
    ) ||
    (clause.has(SPEED) && clause.has(RAISING));
  const down =
    clause.has(/\bslow(?:er|ed|ing)?\b|\bdecelerate/) || (clause.has(SPEED) && clause.has(LOWERING) && !up);
  const percent = clause.find(`${NUMBER}\\s*%`);
  if (percent) {
    const amount = toNumber(group(percent, 1)) / 100;
    if (isWhole(clause, 'speed|tempo|pace|bpm', down || up)) return [{ kind: 'tempo', ratio: amount }];
    return [{ kind: 'tempo', ratio: down ? 1 - Math.abs(amount) : 1 + amount }];
  }
  if (clause.has(/\b(?:twice|double)\b/)) return [{ kind: 'tempo', ratio: clause.has(/slow/) ? 0.5 : 2 }];
  if (
    clause.has(
      /\bhalf (?:the |its )?(?:speed|tempo|pace|bpm|as fast)|\bhalf[ -]?time\b|\bhalve\b|\bat half\b/,
    )
  )
    return [{ kind: 'tempo', ratio: 0.5 }];
  const fraction = down || up ? fractionOf(clause) : undefined;
  if (fraction !== undefined) return [{ kind: 'tempo', ratio: down ? 1 - fraction : 1 + fraction }];
  const factor =
    clause.find(
      `(?:\\bx|×|factor of|\\bby|\\bat|\\bto)\\s*(\\d+(?:[.,]\\d+)?)${NO_TIME}\\s*(?:x|×|times)?`,
    ) ??
    clause.find(`(\\d+(?:[.,]\\d+)?)\\s*(?:x|×|times)`) ??
    clause.find(`${NUMBER}\\s*times`) ??
    (clause.has(SPEED) ? clause.find(`\\b(?:speed|tempo|pace)\\s*(\\d(?:[.,]\\d+)?)$`) : undefined);
  if (factor) {
    const value = toNumber(group(factor, 1));
    // "2x slower" halves the speed; "at 0.8x speed" is already a ratio.
    return [{ kind: 'tempo', ratio: down && value > 1 ? 1 / value : value }];
  }
  if (!down && !up) return undefined;
  const change = 0.15 * intensity(clause.text);
  return [{ kind: 'tempo', ratio: down ? 1 - change : 1 + change }];
};

export const stretchTo: Rule = (clause) => {
  const found = clause.find(
    `(?:stretch|squeeze|fit|time-?stretch|slow|speed|extend)[a-z ]*(?:to|into)\\s*${TIME}`,
  );
  return found ? [{ kind: 'stretch-to', seconds: toSeconds(group(found, 1)) }] : undefined;
};
