/** Cuts an instruction into clauses, one wish each, in the order said. */

/** Phrases whose joining word does not separate two wishes. */
const KEEP_TOGETHER: readonly [RegExp, string][] = [
  [
    /\bslowed\s*(?:\+|&|and|n|'n'|-|with)?\s*reverb(?:ed)?\b|\bslow\s*\+\s*reverb(?:ed)?\b/g,
    'slowed_and_reverb',
  ],
  [/\bdrum\s*(?:and|&|\+|'?n'?)\s*bass\b/g, 'drum_and_bass'],
  [/rock\s*(?:and|&|n|'n')\s*roll/g, 'rock_and_roll'],
  [/r\s*(?:and|&|n)\s*b\b/g, 'rnb'],
  [/fade\s*(?:it\s*)?in\s*(?:and|&|\/)\s*(?:fade\s*)?out/g, 'fade_in_and_out'],
  [/bass\s*(?:and|&)\s*treble/g, 'bass_and_treble'],
  [/treble\s*(?:and|&)\s*bass/g, 'bass_and_treble'],
  [/(?:pitch\s*and\s*(?:speed|tempo)|(?:speed|tempo)\s*and\s*pitch)/g, 'speed_and_pitch'],
  [/one\s+and\s+a\s+half/g, '1.5'],
  [/two\s+and\s+a\s+half/g, '2.5'],
];

const NUMBER_LEAD = /^[+-]?\d/;
/** Words that order wishes and are none. */
const FILLER = /^(?:first(?:ly)?|second(?:ly)?|next|finally|lastly|now|also|just|please|ok(?:ay)?|so)?$/;

/**
 * Lower-cases, straightens quotes, dashes and signs, and cuts at commas, "and", "then", "but", "+" and full stops;
 * a comma or point inside a number and "between 10 and 20" stay whole.
 */
export function splitClauses(instruction: string): string[] {
  let text = instruction
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[‘’]/g, "'")
    .replace(/[“”"]/g, '')
    .replace(/[−–—]/g, '-')
    .replace(/[\r\n]+/g, ' . ')
    .replace(/per\s?cents?\b/g, '%')
    .replace(/\s+/g, ' ')
    .trim();
  for (const [pattern, replacement] of KEEP_TOGETHER) text = text.replace(pattern, replacement);
  text = text
    .replace(/\b(between \S+(?: (?:s|secs?|seconds?|m|mins?|minutes?))?) and /g, '$1 to ')
    // "10 - 20 s" is a stretch of time, not two wishes; "the last few seconds" are a few of them.
    .replace(/(\d(?: ?(?:s|secs?|seconds?|m|mins?|minutes?))?) - (?=\d)/g, '$1 to ')
    .replace(/\b(first|last|final|opening) (few|couple of) /g, '$1 a $2 ')
    .replace(/\bw\/ ?(?!o)/g, 'with ');
  const parts = text.split(
    /\s*(?:[;!?]|,(?!\d)|\.(?!\d)|\band then\b|\bthen\b|\band\b|&|\s\+\s(?!\d)|\s-\s|\s\/\s|(?<!\b(?:all|everything|anything|nothing)\s)\bbut\b|\bplus\b(?!\s*\d)|\bas well as\b|\balong with\b|\bfollowed by\b|\bafter that\b)\s*/,
  );
  return parts
    .map((part) =>
      part
        .replace(
          /^(?:please|now|while|also|but|just|finally|first(?= (?:make|turn|slow|speed|pitch|cut|trim|keep|remove|reverse|loop|fade|add|play|raise|lower)\b)|after that|next)\s+/g,
          '',
        )
        .replace(/\b(?:please|for me|thanks|thank you)\b/g, '')
        .trim(),
    )
    .filter((part) => !FILLER.test(part) && (NUMBER_LEAD.test(part) || /\p{L}|\p{N}/u.test(part)));
}
