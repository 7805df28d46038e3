/** Cuts an instruction into clauses, one wish each, in the order said. */

/** Phrases whose joining word does not separate two wishes. */
const KEEP_TOGETHER: readonly [RegExp, string][] = [
  [/slowed\s*(?:\+|&|and|n|'n'|-)?\s*reverb(?:ed)?/g, 'slowed_and_reverb'],
  [/drums?\s*(?:and|&|\+|n)\s*bass/g, 'drum_and_bass'],
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

/**
 * Lower-cases, straightens quotes, dashes and signs, and cuts at commas, "and", "then", "+" and full stops;
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
  text = text.replace(/\b(between \S+(?: s| seconds?)?) and /g, '$1 to ');
  const parts = text.split(
    /\s*(?:[;!?]|,(?!\d)|\.(?!\d)|\band then\b|\bthen\b|\band\b|&|\s\+\s(?!\d)|\s-\s)\s*/,
  );
  return parts
    .map((part) =>
      part
        .replace(
          /^(?:please|now|also|but|just|finally|first(?! \d| [a-z]+ (?:s|sec))|after that|next)\s+/g,
          '',
        )
        .replace(/\b(?:please|for me|thanks|thank you)\b/g, '')
        .trim(),
    )
    .filter((part) => part.length > 0 && (NUMBER_LEAD.test(part) || /\p{L}|\p{N}/u.test(part)));
}
