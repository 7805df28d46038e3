/** Rules about how it sounds: loudness, tone, reverberation, and its parts. */
import { group } from '#inference/remix/clause';
import { intensity, NUMBER, TIME, toNumber, toSeconds } from '#inference/remix/quantities';
import { fractionOf, isWhole, RAISING, type Rule } from '#inference/remix/rules-words';

const ratioToDecibels = (ratio: number): number => 20 * Math.log10(Math.max(ratio, 0.001));

/** All that may stand beside an amount in decibels that does not say what it is of. */
const ONLY_DECIBELS =
  /^(?:(?:make|turn|bring|take|push|boost|raise|lower|increase|reduce|decrease|cut|drop|attenuate|amplify|add|put|set|plus|minus|up|down|more|less|it|this|that|all|the|song|track|music|sound|audio|whole|everything|by|an?|about|around|\+|-)\s*|[+-]?[\d.,]+\s*(?:db|decibels?)\s*)+$/;

export const loudness: Rule = (clause) => {
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

export const tone: Rule = (clause) => {
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

export const reverb: Rule = (clause) => {
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

export const parts: Rule = (clause) => {
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
