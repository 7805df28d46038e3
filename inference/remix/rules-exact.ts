/**
 * Rules that turn one clause into exact steps. Each looks at a clause (lower case, one wish) and answers with
 * steps or undefined; the first that answers wins, so the narrow ones stand first.
 */
import type { ExactStep } from '#inference/remix/plan';
import { intensity, NUMBER, TIME, toNumber, toSeconds } from '#inference/remix/quantities';

export type Rule = (clause: string) => ExactStep[] | undefined;

const match = (clause: string, source: string): RegExpExecArray | null =>
  new RegExp(source, 'i').exec(clause);
const group = (found: RegExpExecArray, index: number): string => found[index] ?? '';

const FASTER = '(?:faster|quicker|speed(?:ed)?[ -]?(?:it )?up|sped up|accelerated?|increased?)';
const SLOWER = '(?:slower|slow(?:ed)?(?: it| this)?(?: down)?|decelerated?|decreased?|reduced?)';

const slowedReverb: Rule = (clause) =>
  /slowed_and_reverb/.test(clause)
    ? [
        { kind: 'varispeed', ratio: 0.85 },
        { kind: 'reverb', mix: 0.35, seconds: 2.8 },
      ]
    : undefined;

const nightcore: Rule = (clause) =>
  /night\s?core/.test(clause) ? [{ kind: 'varispeed', ratio: 1.25 }] : undefined;

const varispeed: Rule = (clause) => {
  if (!/speed_and_pitch|like a (?:tape|record|turntable)|chipmunk|vari-?speed/.test(clause)) return undefined;
  const factor = match(clause, `(?:x\\s*|by a factor of |times )?${NUMBER}\\s*(?:x|times)?`);
  const percent = match(clause, `${NUMBER}\\s*%`);
  const down = /down|slow|lower|reduce/.test(clause);
  if (percent)
    return [{ kind: 'varispeed', ratio: 1 + ((down ? -1 : 1) * toNumber(group(percent, 1))) / 100 }];
  if (factor && /\d/.test(group(factor, 1)))
    return [{ kind: 'varispeed', ratio: toNumber(group(factor, 1)) }];
  return [{ kind: 'varispeed', ratio: down ? 0.85 : 1.25 }];
};

const tempoInBpm: Rule = (clause) => {
  const by = match(clause, `(?:by )?${NUMBER}\\s*(?:bpm|beats? (?:a|per) minute)\\s*(faster|slower|up|down)`);
  const by2 = match(clause, `(faster|slower|up|down) by ${NUMBER}\\s*(?:bpm|beats? (?:a|per) minute)`);
  if (by || by2) {
    const amount = toNumber(by ? group(by, 1) : group(by2 as RegExpExecArray, 2));
    const word = by ? group(by, 2) : group(by2 as RegExpExecArray, 1);
    return [{ kind: 'tempo-by', bpm: /slower|down/.test(word) ? -amount : amount }];
  }
  const to = match(clause, `${NUMBER}\\s*(?:bpm|beats? (?:a|per) minute)`);
  return to ? [{ kind: 'tempo-to', bpm: toNumber(group(to, 1)) }] : undefined;
};

const tempo: Rule = (clause) => {
  if (/\bduration\b|\blength\b|\bas long\b/.test(clause)) {
    const factor =
      match(clause, `(?:x|×|\\*|by|times)\\s*${NUMBER}`) ?? match(clause, `${NUMBER}\\s*(?:x|×|times)`);
    if (factor) return [{ kind: 'tempo', ratio: 1 / toNumber(group(factor, 1)) }];
    if (/twice as long|double the (?:duration|length)/.test(clause)) return [{ kind: 'tempo', ratio: 0.5 }];
    if (/half as long|halve the (?:duration|length)/.test(clause)) return [{ kind: 'tempo', ratio: 2 }];
  }
  const percent = match(clause, `${NUMBER}\\s*%`);
  const down = new RegExp(`\\b${SLOWER}\\b`).test(clause) || /\bslow/.test(clause);
  const up = new RegExp(`\\b${FASTER}\\b`).test(clause) || /\bfast|\bspeed\b.*\bup\b/.test(clause);
  const aboutSpeed = down || up || /\b(?:speed|tempo)\b/.test(clause);
  if (!aboutSpeed) return undefined;
  if (/\b(?:reverb|fade|bass|treble|volume|pitch)\b/.test(clause) && !/\b(?:without|same|keep)/.test(clause))
    return undefined;
  if (/\b(?:twice|double)\b/.test(clause)) return [{ kind: 'tempo', ratio: /slow/.test(clause) ? 0.5 : 2 }];
  if (/\bhalf (?:the )?(?:speed|tempo|as fast)|\bhalf-?time\b|\bhalve\b|\bat half\b/.test(clause))
    return [{ kind: 'tempo', ratio: 0.5 }];
  if (percent) {
    const amount = toNumber(group(percent, 1)) / 100;
    if (/\b(?:to|at)\s+[\d.]+\s*%/.test(clause) || /% (?:of the )?(?:speed|tempo)/.test(clause))
      return [{ kind: 'tempo', ratio: amount }];
    return [{ kind: 'tempo', ratio: down ? 1 - amount : 1 + amount }];
  }
  const factor =
    match(clause, `(?:x|×|factor of|by|at|to)\\s*(\\d+(?:[.,]\\d+)?)\\s*(?:x|×|times)?`) ??
    match(clause, `(\\d+(?:[.,]\\d+)?)\\s*(?:x|×|times)`) ??
    match(clause, `${NUMBER}\\s*times`);
  if (factor) {
    const value = toNumber(group(factor, 1));
    // "2x slower" halves the speed; "at 0.8x speed" is already a ratio.
    return [{ kind: 'tempo', ratio: down && value > 1 ? 1 / value : value }];
  }
  if (!down && !up) return undefined;
  const change = 0.15 * intensity(clause);
  return [{ kind: 'tempo', ratio: down ? 1 - change : 1 + change }];
};

const stretchTo: Rule = (clause) => {
  const found = match(clause, `(?:stretch|squeeze|fit|time-?stretch)[a-z ]*(?:to|into)\\s*${TIME}`);
  return found ? [{ kind: 'stretch-to', seconds: toSeconds(group(found, 1)) }] : undefined;
};

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

const pitch: Rule = (clause) => {
  const down =
    /\b(?:down|lower|lowered|deeper|below|flat|drop)\b/.test(clause) || /(?:^|\s)-\s?\d/.test(clause);
  const sign = down ? -1 : 1;
  const cents = match(clause, `${NUMBER}\\s*cents?\\b`);
  if (cents) return [{ kind: 'pitch', cents: sign * Math.abs(toNumber(group(cents, 1))) }];
  const semitones = match(clause, `${NUMBER}\\s*(?:semi-?tones?|half[ -]?(?:steps?|tones?)|semis|st)\\b`);
  if (semitones && !/^half an?$/.test(group(semitones, 1)))
    return [{ kind: 'pitch', cents: sign * 100 * Math.abs(toNumber(group(semitones, 1))) }];
  const directed = /\b(?:up|down|higher|lower|raise|transpose|pitch|drop|deeper|octave)\b/.test(clause);
  if (directed) {
    for (const [pattern, size] of INTERVALS) {
      const found = pattern.exec(clause);
      if (!found) continue;
      const count = match(clause.slice(0, found.index), `(\\d+|two|three|four)\\s*$`);
      return [{ kind: 'pitch', cents: sign * size * (count ? toNumber(group(count, 1)) : 1) }];
    }
    const plain = match(
      clause,
      `(?:pitch|transpose)[a-z ]*?(?:up|down|by|higher|lower)?\\s*(?:by )?([+-]?\\d+(?:[.,]\\d+)?)$`,
    );
    if (plain) {
      const value = toNumber(group(plain, 1));
      return [{ kind: 'pitch', cents: value < 0 ? 100 * value : sign * 100 * value }];
    }
  }
  if (
    /\b(?:pitch(?:ed)?|transpose[ds]?)\b.*\b(?:up|down|higher|lower)\b|\b(?:higher|lower|raise|drop)\b.*\bpitch\b/.test(
      clause,
    )
  )
    return [{ kind: 'pitch', cents: sign * 200 * intensity(clause) }];
  if (/^(?:make (?:it|this|the song) )?(?:a (?:bit|little) )?(?:higher|lower|deeper)$/.test(clause))
    return [{ kind: 'pitch', cents: sign * 200 * intensity(clause) }];
  return undefined;
};

const trim: Rule = (clause) => {
  const range = match(
    clause,
    `(?:from|between)?\\s*${TIME.replace('\\b)', '\\b|\\d+(?:\\.\\d+)?)')}\\s*(?:to|until|till|-)\\s*${TIME}`,
  );
  const removing = /\b(?:remove|delete|cut|drop|skip|take out|chop|without|lose)\b/.test(clause);
  if (range && !/tempo|bpm|fade/.test(clause)) {
    const first = group(range, 1);
    const start = /^\d+(?:\.\d+)?$/.test(first) ? Number(first) : toSeconds(first);
    const end = toSeconds(group(range, 2));
    if (removing && !/\bcut (?:it )?(?:to|from|down)\b/.test(clause)) return [{ kind: 'cut', start, end }];
    return [{ kind: 'trim', start, end }];
  }
  const first =
    match(clause, `first\\s*${TIME}`) ??
    match(clause, `${TIME}\\s*(?:from|off|at) the (?:start|beginning|front)`);
  if (first) {
    const seconds = toSeconds(group(first, 1));
    return [
      removing ? { kind: 'trim', start: seconds, end: undefined } : { kind: 'trim', start: 0, end: seconds },
    ];
  }
  const last = match(clause, `last\\s*${TIME}`) ?? match(clause, `${TIME}\\s*(?:from|off|at) the end`);
  if (last) {
    const seconds = toSeconds(group(last, 1));
    return [
      removing
        ? { kind: 'trim', start: 0, end: -seconds }
        : { kind: 'trim', start: -seconds, end: undefined },
    ];
  }
  const to = match(clause, `(?:trim|cut|shorten|limit|crop|chop)[a-z ]*?(?:to|down to|at|after)\\s*${TIME}`);
  if (to) return [{ kind: 'trim', start: 0, end: toSeconds(group(to, 1)) }];
  const skip = match(clause, `(?:start|begin)(?:ing)?\\s*(?:at|from)\\s*${TIME}`);
  if (skip) return [{ kind: 'trim', start: toSeconds(group(skip, 1)), end: undefined }];
  return undefined;
};

const fade: Rule = (clause) => {
  if (!/\bfade/.test(clause)) return undefined;
  const found = match(clause, TIME);
  const seconds = found ? toSeconds(group(found, 1)) : undefined;
  if (/fade_in_and_out/.test(clause) || !/\b(?:in|out)\b/.test(clause))
    return [
      { kind: 'fade', direction: 'in', seconds },
      { kind: 'fade', direction: 'out', seconds },
    ];
  return [
    { kind: 'fade', direction: /\bin\b/.test(clause) && !/\bout\b/.test(clause) ? 'in' : 'out', seconds },
  ];
};

const reverse: Rule = (clause) =>
  /\brevers(?:e|ed)\b|\bbackwards?\b/.test(clause) ? [{ kind: 'reverse' }] : undefined;

const loop: Rule = (clause) => {
  if (!/\b(?:loop|repeat|looped|repeated)\b/.test(clause)) return undefined;
  const until = match(clause, `(?:for|to|until|till)[a-z ]*?\\s*${TIME}`);
  if (until) return [{ kind: 'loop-to', seconds: toSeconds(group(until, 1)) }];
  const times = match(clause, `${NUMBER}\\s*(?:x|×|times)`) ?? match(clause, 'x\\s*(\\d+)');
  if (times) return [{ kind: 'loop', times: Math.round(toNumber(group(times, 1))) }];
  return [{ kind: 'loop', times: /\bthrice\b/.test(clause) ? 3 : 2 }];
};

const loudness: Rule = (clause) => {
  const lufs = match(clause, '(-?\\d+(?:\\.\\d+)?)\\s*lufs');
  if (lufs) return [{ kind: 'loudness', lufs: -Math.abs(Number(group(lufs, 1))) }];
  if (/\bnormali[sz]e/.test(clause)) return [{ kind: 'loudness', lufs: -14 }];
  if (/\b(?:bass|treble|highs?|lows?|low end|high end)\b/.test(clause)) return undefined;
  const aboutLevel =
    /\b(?:loud|louder|volume|quiet|quieter|softer|gain|level|db|decibels?)\b|turn (?:it )?(?:up|down)/.test(
      clause,
    );
  if (!aboutLevel) return undefined;
  const down = /\b(?:quiet|quieter|softer|lower|down|reduce|decrease|less)\b|(?:^|\s)-\s?\d/.test(clause);
  const decibels = match(clause, `${NUMBER}\\s*(?:db|decibels?)`);
  if (decibels) return [{ kind: 'gain', decibels: (down ? -1 : 1) * Math.abs(toNumber(group(decibels, 1))) }];
  const percent = match(clause, `${NUMBER}\\s*%`);
  if (percent) {
    const amount = toNumber(group(percent, 1)) / 100;
    const factor = /\b(?:to|at)\b/.test(clause) ? amount : down ? 1 - amount : 1 + amount;
    return [{ kind: 'gain', decibels: 20 * Math.log10(Math.max(factor, 0.001)) }];
  }
  if (/\bhalf\b/.test(clause)) return [{ kind: 'gain', decibels: -6 }];
  // Ten decibels are heard as about twice as loud (Stevens' power law).
  if (/\b(?:twice|double)\b/.test(clause)) return [{ kind: 'gain', decibels: 10 }];
  return [{ kind: 'gain', decibels: (down ? -4 : 4) * intensity(clause) }];
};

const tone: Rule = (clause) => {
  const less = /\b(?:less|cut|reduce|lower|decrease|remove|fewer|no|without|tame|down)\b|(?:^|\s)-\s?\d/.test(
    clause,
  );
  const decibels = match(clause, `${NUMBER}\\s*(?:db|decibels?)`);
  const amount = (usual: number): number =>
    (less ? -1 : 1) * (decibels ? Math.abs(toNumber(group(decibels, 1))) : usual * intensity(clause));
  const verb =
    /\b(?:more|less|boost(?:ed)?|cut|add|reduce|increase|raise|lower|decrease|extra|up|down|heavy|heavier|fuller|no|without|tame|turn)\b|\bdb\b/;
  // "add a bass" and "a bass guitar" are instruments, not tone.
  if (/\bbass (?:guitar|line|player|clarinet|drum)|\ba bass\b|bassoon/.test(clause)) return undefined;
  if (/bass_and_treble/.test(clause) && verb.test(clause))
    return [
      { kind: 'bass', decibels: amount(6) },
      { kind: 'treble', decibels: amount(6) },
    ];
  if (/\b(?:bass|low end|lows|sub)\b/.test(clause) && (verb.test(clause) || /bass[- ]?boost/.test(clause)))
    return [{ kind: 'bass', decibels: amount(6) }];
  if (/\bbass(?:ier|y)\b/.test(clause)) return [{ kind: 'bass', decibels: amount(6) }];
  if (/\b(?:treble|highs|high end|top end|presence|air)\b/.test(clause) && verb.test(clause))
    return [{ kind: 'treble', decibels: amount(6) }];
  if (/\bbright(?:er|en)\b|\bcrisper\b/.test(clause)) return [{ kind: 'treble', decibels: amount(5) }];
  if (/\b(?:warmer|duller|muffled|mellower)\b/.test(clause))
    return [{ kind: 'treble', decibels: -5 * intensity(clause) }];
  return undefined;
};

const reverb: Rule = (clause) => {
  if (
    !/\breverb|\becho(?:ey)?\b|\bcathedral\b|\bchurch\b|\b(?:concert|large|big) hall\b|\bin a hall\b|\bspacious\b/.test(
      clause,
    )
  )
    return undefined;
  if (/\b(?:remove|less|without|no|dry|drier|take away)\b/.test(clause)) return undefined;
  const found = match(clause, TIME);
  const large = /\b(?:cathedral|church)\b/.test(clause)
    ? 4.5
    : /\bhall\b|\bspacious\b/.test(clause)
      ? 2.6
      : 1.8;
  const strength = intensity(clause);
  return [
    {
      kind: 'reverb',
      mix: strength < 1 ? 0.15 : strength > 1 ? 0.45 : 0.28,
      seconds: found ? Math.min(10, toSeconds(group(found, 1))) : large * (strength > 1 ? 1.4 : 1),
    },
  ];
};

const parts: Rule = (clause) => {
  const removing =
    /\b(?:remove|without|no|fewer|less|take (?:out|away)|drop|mute|kill|isolate|reduce|delete|strip)\b/.test(
      clause,
    );
  if (/\bkaraoke\b|\binstrumental(?: version| only)?$/.test(clause)) return [{ kind: 'fewer-vocals' }];
  if (/\b(?:vocals?|voices?|singer|singing|acapella|a cappella)\b/.test(clause))
    return removing && !/isolate/.test(clause) ? [{ kind: 'fewer-vocals' }] : undefined;
  const only = /\b(?:only|just|isolate|solo|alone|keep)\b/.test(clause);
  if (/\b(?:drums?|percussion|percussive|beats?)\b/.test(clause)) {
    if (only || /percussive part/.test(clause)) return [{ kind: 'part', part: 'percussive' }];
    if (removing) return [{ kind: 'part', part: 'harmonic' }];
  }
  if (
    /\b(?:harmonic|harmony|melody|melodic|harmonies)\b/.test(clause) &&
    (only || /harmonic part/.test(clause))
  )
    return [{ kind: 'part', part: 'harmonic' }];
  return undefined;
};

/** All rules, narrowest first. */
export const EXACT_RULES: readonly Rule[] = [
  slowedReverb,
  nightcore,
  varispeed,
  tempoInBpm,
  stretchTo,
  fade,
  loop,
  trim,
  reverse,
  parts,
  pitch,
  reverb,
  tone,
  loudness,
  tempo,
];
