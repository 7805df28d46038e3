/** Numbers and amounts as people write them: "two", "a half", "1,5", "20 %", "1:30", "a little". */

const WORDS: Readonly<Record<string, number>> = {
  zero: 0,
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  eleven: 11,
  twelve: 12,
  fifteen: 15,
  twenty: 20,
  thirty: 30,
  forty: 40,
  fifty: 50,
  sixty: 60,
  half: 0.5,
  quarter: 0.25,
  third: 1 / 3,
};

const WORD_PATTERN = Object.keys(WORDS).join('|');

/** Source of a pattern that matches one number, in digits or words, with a capture group around it. */
export const NUMBER = `([+-]?\\d+(?:[.,]\\d+)?|\\ba half|\\bhalf an?|\\b(?:${WORD_PATTERN}|a couple of|a few))`;

/** Source of a pattern for a time: "1:30", "90 s", "two minutes"; captures the whole. */
export const TIME = `(\\d+:\\d{2}(?:\\.\\d+)?|(?:${NUMBER.slice(1, -1)})\\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)\\b)`;

/** Reads what NUMBER matched. @throws {RangeError} when it is no number */
export function toNumber(text: string): number {
  const clean = text.trim().toLowerCase();
  if (/^[+-]?\d/.test(clean)) return Number(clean.replace(',', '.'));
  if (clean === 'a half' || clean.startsWith('half a')) return 0.5;
  if (clean === 'a couple of') return 2;
  if (clean === 'a few') return 3;
  const word = WORDS[clean];
  if (word === undefined) throw new RangeError(`no number: ${text}`);
  return word;
}

/** Reads what TIME matched, in seconds. */
export function toSeconds(text: string): number {
  const clock = /^(\d+):(\d{2}(?:\.\d+)?)$/.exec(text.trim());
  if (clock) return Number(clock[1]) * 60 + Number(clock[2]);
  const amount = new RegExp(`^${NUMBER}\\s*([a-z]+)$`, 'i').exec(text.trim());
  if (!amount) throw new RangeError(`no time: ${text}`);
  const value = toNumber(amount[1] ?? '');
  const unit = amount[2] ?? 's';
  if (unit.startsWith('ms') || unit.startsWith('milli')) return value / 1000;
  return unit.startsWith('m') ? value * 60 : value;
}

/** How much: 0.5 for "a little", 1 for nothing said, 2 for "a lot". */
export function intensity(text: string): number {
  if (/\b(a (little|tiny|touch)( bit)?|slightly|a bit|subtle|subtly|somewhat|gently)\b/.test(text))
    return 0.5;
  if (
    /\b(a lot|lots|much|way|very|huge|heavy|heavily|massive|extreme(ly)?|strong(ly)?|super|really)\b/.test(
      text,
    )
  )
    return 2;
  return 1;
}
