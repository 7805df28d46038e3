/**
 * Rules that turn one clause into exact steps. Each looks at a clause (lower case, one wish) and answers with
 * steps or undefined; the first that answers wins, so the narrow ones stand first.
 */
import { type Clause, group } from '#inference/remix/clause';
import type { ExactStep } from '#inference/remix/plan';
import { intensity, NUMBER, TIME, toNumber, toSeconds } from '#inference/remix/quantities';

export type Rule = (clause: Clause) => ExactStep[] | undefined;

const SPEED = /\b(?:speed|tempo|pace|bpm)\b/;
const BPM = '(?:bpm|beats? (?:a|per) minute)';
/** A number that is no article: "a bpm of 90". */
const DIGITS = '([+-]?\\d+(?:[.,]\\d+)?)';
/** No unit of time may follow: "to 2 minutes" is no factor. */
const NO_TIME = '(?![\\d.,]|:\\d|\\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|bpm)\\b)';

const RAISING = /\b(?:raise|raised|increase|increased|up|more|add|plus|boost|accelerate|higher)\b/;
const LOWERING =
  /\b(?:lower|lowered|reduce|reduced|decrease|decreased|reduction|drop|down|cut|less|minus|decelerate)\b|\btake\b.*\boff\b|(?:^|\s)-\s?\d/;

const FRACTIONS: Readonly<Record<string, number>> = { half: 0.5, third: 1 / 3, quarter: 0.25 };

/** A part of the whole in words: "by a third", "a quarter faster". */
function fractionOf(clause: Clause): number | undefined {
  const found = clause.find('\\b(?:by |an? |one )+(half|third|quarter)\\b');
  return found === undefined ? undefined : FRACTIONS[group(found, 1)];
}

const slowedReverb: Rule = (clause) => {
  if (!clause.has(/slowed_and_reverb/)) return undefined;
  const percent = clause.find(`${NUMBER}\\s*%`);
  const factor = percent ? undefined : clause.find(`${DIGITS}\\s*(?:x|×|times)`);
  const ratio = percent ? 1 - toNumber(group(percent, 1)) / 100 : factor ? toNumber(group(factor, 1)) : 0.85;
  return [
    { kind: 'varispeed', ratio },
    { kind: 'reverb', mix: 0.35, seconds: 2.8 },
  ];
};

const nightcore: Rule = (clause) => {
  if (!clause.has(/night\s?core/)) return undefined;
  const amount =
    clause.find(
      `night\\s?core(?: (?:version|remix|style))? *(?:at |by |with )?${DIGITS}\\s*(%|x\\b|×)(?! slower)`,
    ) ?? clause.find(`${DIGITS}\\s*(%|x|×) (?:faster )?night\\s?core`);
  if (!amount) return [{ kind: 'varispeed', ratio: 1.25 }];
  const value = toNumber(group(amount, 1));
  return [{ kind: 'varispeed', ratio: group(amount, 2) === '%' ? 1 + value / 100 : value }];
};

const varispeed: Rule = (clause) => {
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

/**
 * Whether a percentage says what is left, not what is added or taken: "volume 50 %", "to 80 %", "80 % of the speed",
 * against "volume +10 %", "10 % faster".
 */
function isWhole(clause: Clause, noun: string, hasDirection: boolean): boolean {
  if (clause.has(/\b(?:to|at)\s+(?:just |only |about )?[\d.,]+\s*%/)) return true;
  if (
    clause.has(
      new RegExp(
        `% (?:of )?(?:(?:the|its) )?(?:original |normal |full |current )?(?:${noun})\\b(?! (?:up|down|increase|boost|decrease|reduction))|% as `,
      ),
    )
  )
    return true;
  return !hasDirection && !clause.has(/(?:^|\s)[+-]\s?\d/) && !clause.has(/\bby\b/);
}

const tempoInBpm: Rule = (clause) => {
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

const tempo: Rule = (clause) => {
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

const stretchTo: Rule = (clause) => {
  const found = clause.find(
    `(?:stretch|squeeze|fit|time-?stretch|slow|speed|extend)[a-z ]*(?:to|into)\\s*${TIME}`,
  );
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

/** "2 st", "+3st": semitones in a producer's short hand. "1st" and "21st century" are none. */
const SHORT_SEMITONES = '([+-]\\d+(?:\\.\\d+)?\\s?|\\b\\d+(?:\\.\\d+)?\\s)st\\b(?!\\s*(?:century|street))';

const pitch: Rule = (clause) => {
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

/** How long a result shall be, from its beginning: "trim to 30 seconds", "end at 0:30". */
const trimTo: Rule = (clause) => {
  const to = clause.find(
    `\\b(?:trim|cut|shorten|limit|crop|chop|keep|end|stop|ending|stopping)[a-z ]*?(?:to|down to|at|after)\\s*${TIME}`,
  );
  return to ? [{ kind: 'trim', start: 0, end: toSeconds(group(to, 1)) }] : undefined;
};

const fade: Rule = (clause) => {
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

const reverse: Rule = (clause) =>
  clause.has(/\brevers(?:e|ed)\b|\bbackwards?\b/) ? [{ kind: 'reverse' }] : undefined;

/** "twice", "3 times" say how often, unless something else is said to be so much more. */
const TIMES = `(?:${NUMBER}\\s*(?:x\\b|×|times\\b)|\\b(?:twice|thrice)\\b)(?! (?:as|the|its|faster|slower|louder|quieter|higher|lower|longer)\\b)`;

const loop: Rule = (clause) => {
  const isPlayed = clause.has(/\bplay(?:ed)?\b/) && clause.has(new RegExp(TIMES));
  if (!isPlayed && !clause.has(/\b(?:loop|repeat|looped|repeated|looping|repeating)\b/)) return undefined;
  const until = clause.find(`(?:for|to|until|till)[a-z ]*?\\s*${TIME}`);
  if (until) return [{ kind: 'loop-to', seconds: toSeconds(group(until, 1)) }];
  const times = clause.find(TIMES) ?? clause.find('x\\s*(\\d+)');
  const count = group(times, 1);
  if (count !== '') return [{ kind: 'loop', times: Math.round(toNumber(count)) }];
  return [{ kind: 'loop', times: clause.has(/\bthrice\b/) ? 3 : 2 }];
};

const ratioToDecibels = (ratio: number): number => 20 * Math.log10(Math.max(ratio, 0.001));

/** All that may stand beside an amount in decibels that does not say what it is of. */
const ONLY_DECIBELS =
  /^(?:(?:make|turn|bring|take|push|boost|raise|lower|increase|reduce|decrease|cut|drop|attenuate|amplify|add|put|set|plus|minus|up|down|more|less|it|this|that|all|the|song|track|music|sound|audio|whole|everything|by|an?|about|around|\+|-)\s*|[+-]?[\d.,]+\s*(?:db|decibels?)\s*)+$/;

const loudness: Rule = (clause) => {
  const lufs = clause.find('(-?\\d+(?:\\.\\d+)?)\\s*lufs');
  if (lufs) return [{ kind: 'loudness', lufs: -Math.abs(Number(group(lufs, 1))) }];
  if (clause.has(/\bnormali[sz]e/)) return [{ kind: 'loudness', lufs: -14 }];
  if (clause.has(/\b(?:bass|treble|highs?|lows?|low end|high end)\b/)) return undefined;
  const aboutLevel =
    clause.has(/\b(?:loud|louder|volume|quiet|quieter|softer|gain|level)\b/) ||
    clause.has(/\bturn (?:(?:it|this|that|(?:the|this) (?:song|track|music|sound)) )?(?:up|down)\b/) ||
    (clause.has(/\b(?:db|decibels?)\b/) && clause.has(ONLY_DECIBELS));
  if (!aboutLevel) return undefined;
  const down = clause.has(
    /\b(?:quiet|quieter|softer|lower|down|reduce|decrease|less|cut|drop|minus|attenuate)\b|(?:^|\s)-\s?\d/,
  );
  const up = clause.has(/\b(?:loud|louder|up|raise|increase|more|boost|plus|add|amplify)\b/);
  const decibels = clause.find(`${NUMBER}\\s*(?:db|decibels?)`);
  if (decibels) return [{ kind: 'gain', decibels: (down ? -1 : 1) * Math.abs(toNumber(group(decibels, 1))) }];
  const percent = clause.find(`${NUMBER}\\s*%`);
  if (percent) {
    const amount = Math.abs(toNumber(group(percent, 1))) / 100;
    const isTarget = isWhole(clause, 'volume|loudness|level|gain', down || up);
    return [{ kind: 'gain', decibels: ratioToDecibels(isTarget ? amount : down ? 1 - amount : 1 + amount) }];
  }
  const isAmplitude = clause.has(/\b(?:volume|level|gain)\b/);
  const times = clause.find(`${NUMBER}\\s*(?:x|×|times)`);
  if (times) {
    const factor = toNumber(group(times, 1));
    // Ten decibels are heard as about twice as loud (Stevens' power law).
    const decibels = isAmplitude ? ratioToDecibels(factor) : 10 * Math.log2(factor);
    return [{ kind: 'gain', decibels: down ? -decibels : decibels }];
  }
  if (clause.has(/\b(?:half|halve|halved)\b/) && !clause.has(/\bby half\b/))
    return [{ kind: 'gain', decibels: isAmplitude ? ratioToDecibels(0.5) : -10 }];
  if (clause.has(/\b(?:twice|double|doubled)\b/))
    return [{ kind: 'gain', decibels: isAmplitude ? ratioToDecibels(2) : 10 }];
  const fraction = fractionOf(clause);
  if (fraction !== undefined && (down || up))
    return [{ kind: 'gain', decibels: ratioToDecibels(down ? 1 - fraction : 1 + fraction) }];
  if (!down && !up) return undefined;
  return [{ kind: 'gain', decibels: (down ? -4 : 4) * intensity(clause.text) }];
};

const tone: Rule = (clause) => {
  // "add a bass" and "a bass guitar" are instruments, not tone.
  if (clause.has(/\bbass (?:guitar|line|player|clarinet|drum)|\ba bass\b|bassoon/)) return undefined;
  const less = clause.has(
    /\b(?:less|cut|reduce|lower|decrease|remove|fewer|quieter|softer|no|without|tame|down)\b|(?:^|\s)-\s?\d/,
  );
  const decibels = clause.find(`${NUMBER}\\s*(?:db|decibels?)`);
  const percent = decibels ? undefined : clause.find(`${NUMBER}\\s*%`);
  const amount = (usual: number): number => {
    if (decibels) return (less ? -1 : 1) * Math.abs(toNumber(group(decibels, 1)));
    if (!percent) return (less ? -1 : 1) * usual * intensity(clause.text);
    const part = Math.abs(toNumber(group(percent, 1))) / 100;
    const isTarget = isWhole(clause, 'bass|treble', less || clause.has(RAISING));
    return ratioToDecibels(isTarget ? part : less ? 1 - part : 1 + part);
  };
  const verb =
    /\b(?:more|less|boost(?:ed)?|cut|add|reduce|increase|raise|lower|decrease|extra|up|down|heavy|heavier|fuller|louder|quieter|stronger|no|without|tame|turn)\b|\bdb\b|%/;
  if (clause.has(/bass_and_treble/) && clause.has(verb))
    return [
      { kind: 'bass', decibels: amount(6) },
      { kind: 'treble', decibels: amount(6) },
    ];
  if (clause.has(/\b(?:bass|low end|lows|sub)\b/) && (clause.has(verb) || clause.has(/bass[- ]?boost/)))
    return [{ kind: 'bass', decibels: amount(6) }];
  if (clause.has(/\bbass(?:ier|y)\b/)) return [{ kind: 'bass', decibels: amount(6) }];
  if (clause.has(/\b(?:treble|highs|high end|top end|presence|air)\b/) && clause.has(verb))
    return [{ kind: 'treble', decibels: amount(6) }];
  if (clause.has(/\bbright(?:er|en)\b|\bcrisper\b/)) return [{ kind: 'treble', decibels: amount(5) }];
  if (clause.has(/\b(?:warmer|duller|muffled|mellower)\b/))
    return [{ kind: 'treble', decibels: -5 * intensity(clause.text) }];
  return undefined;
};

const reverb: Rule = (clause) => {
  if (
    !clause.has(
      /\breverb|\becho(?:ey|es)?\b|\bcathedral\b|\bchurch\b|\b(?:concert|large|big) hall\b|\bin a hall\b|\bspacious\b/,
    )
  )
    return undefined;
  if (clause.has(/\b(?:remove|less|without|no|dry|drier|take away)\b/)) return undefined;
  const found = clause.find(TIME);
  const percent = clause.find(`${NUMBER}\\s*%`);
  const large = clause.has(/\b(?:cathedral|church)\b/)
    ? 4.5
    : clause.has(/\bhall\b|\bspacious\b/)
      ? 2.6
      : 1.8;
  const strength = intensity(clause.text);
  const mix = strength < 1 ? 0.15 : strength > 1 ? 0.45 : 0.28;
  return [
    {
      kind: 'reverb',
      mix: percent ? Math.min(1, Math.abs(toNumber(group(percent, 1))) / 100) : mix,
      seconds: found ? Math.min(10, toSeconds(group(found, 1))) : large * (strength > 1 ? 1.4 : 1),
    },
  ];
};

/** "everything but the drums" takes away what it does not name. */
const ALL_BUT = /\b(?:everything|all|anything)\b.*\b(?:but|except|besides|other than|apart from)\b/;

const parts: Rule = (clause) => {
  const removing = clause.has(
    /\b(?:remove|without|no|fewer|less|take (?:out|away)|drop|mute|kill|isolate|reduce|delete|strip)\b/,
  );
  if (clause.has(/\bkaraoke\b|\binstrumental(?: version| only)?$/)) return [{ kind: 'fewer-vocals' }];
  const allBut = clause.has(ALL_BUT);
  const keepsAllBut = allBut && clause.has(/\b(?:keep|leave|only|just)\b/);
  if (clause.has(/\b(?:vocals?|voices?|singer|singing|acapella|a cappella)\b/)) {
    if (allBut) return keepsAllBut ? [{ kind: 'fewer-vocals' }] : undefined;
    // "turn down" is what can be done of it; "only the vocals" is not.
    const less = removing || clause.has(/\b(?:quieter|softer|lower|down|reduced)\b/);
    return less && !clause.has(/isolate|\bpitch|octave|semi|tone|slow|speed|fast|reverb|echo|fade/)
      ? [{ kind: 'fewer-vocals' }]
      : undefined;
  }
  const only = (clause.has(/\b(?:only|just|isolate|solo|alone|keep)\b/) || allBut) && !keepsAllBut;
  if (clause.has(/\b(?:drums?|percussion|percussive|beats?)\b/)) {
    if (only || clause.has(/percussive part/)) return [{ kind: 'part', part: 'percussive' }];
    if (removing || keepsAllBut) return [{ kind: 'part', part: 'harmonic' }];
  }
  if (
    clause.has(/\b(?:harmonic|harmony|melody|melodic|harmonies)\b/) &&
    (only || clause.has(/harmonic part/))
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
  trimTo,
  reverse,
  parts,
  pitch,
  reverb,
  tone,
  loudness,
  tempo,
];
