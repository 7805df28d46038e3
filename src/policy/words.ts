import { z } from 'zod';

/** A word or phrase of a filter; `*` stands for any letters and digits within one word. */
export const termSchema = z
  .string()
  .max(200)
  .refine((term) => split(fold(term).text, true).some(({ word }) => /[^*]/.test(word)), {
    error: 'needs a letter or digit',
  });

/** A part of a text that a term was found in, as indexes into the text. */
export interface Finding {
  start: number;
  end: number;
}

/** One word of a text or term. In scripts that put no space between words, each character is one. */
interface Word {
  word: string;
  start: number;
  end: number;
}

interface Term {
  words: readonly { word: string; isPattern: boolean; followsAtOnce: boolean }[];
}

/** Letters, digits and the marks that belong to them; in terms the star too. */
const UNSPACED = '[\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Thai}\\p{sc=Laoo}\\p{sc=Khmr}\\p{sc=Mymr}]';
const IN_WORD = `(?!${UNSPACED})[\\p{L}\\p{N}\\p{M}]`;
const WORDS = new RegExp(`${UNSPACED}\\p{M}*|(?:${IN_WORD})+`, 'gu');
const TERM_WORDS = new RegExp(`${UNSPACED}\\p{M}*|(?:${IN_WORD}|\\*)+`, 'gu');

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Finds whole words and phrases in any text, however they are capitalised, composed or spread with invisible
 * characters. No regular expression is made from what an operator wrote: a text of n words and a filter of any size
 * take time in proportion to n, and a little more for each term with a star.
 */
export class WordFilter {
  /** By first word. */
  private readonly exact = new Map<string, Term[]>();
  /** Those whose first word has stars: by its first character. */
  private readonly patterns = new Map<string, Term[]>();

  constructor(terms: readonly string[]) {
    for (const given of terms) {
      const words = split(fold(given).text, true).map(({ word, start }, place, all) => ({
        word,
        isPattern: word.includes('*'),
        followsAtOnce: all[place - 1]?.end === start,
      }));
      const first = words[0];
      if (first === undefined) continue;
      const [index, key] = first.isPattern ? [this.patterns, initial(first.word)] : [this.exact, first.word];
      const same = index.get(key);
      if (same === undefined) index.set(key, [{ words }]);
      else same.push({ words });
    }
  }

  /** Every place where a term stands, in order; they may overlap. */
  find(text: string): Finding[] {
    if (this.exact.size === 0 && this.patterns.size === 0) return [];
    const folded = fold(text);
    const words = split(folded.text, false);
    const findings: Finding[] = [];
    words.forEach(({ word, start }, place) => {
      for (const candidates of [
        this.exact.get(word),
        this.patterns.get(initial(word)),
        this.patterns.get('*'),
      ]) {
        for (const term of candidates ?? []) {
          if (!standsAt(term, words, place)) continue;
          const last = words[place + term.words.length - 1]?.end ?? start;
          findings.push({ start: folded.startOf(start), end: folded.endOf(last - 1) });
        }
      }
    });
    return findings;
  }

  /** The text with what was found covered, letter for letter. */
  strike(text: string): string {
    let struck = '';
    let done = 0;
    for (const { start, end } of this.find(text)) {
      if (end <= done) continue;
      const from = Math.max(start, done);
      const covered = [...graphemes.segment(text.slice(from, end))].length;
      struck += text.slice(done, from) + '█'.repeat(covered);
      done = end;
    }
    return struck + text.slice(done);
  }
}

function initial(word: string): string {
  return word.slice(0, 1);
}

function standsAt({ words }: Term, text: readonly Word[], place: number): boolean {
  return words.every((wanted, offset) => {
    const found = text[place + offset];
    if (found === undefined) return false;
    if (wanted.followsAtOnce && text[place + offset - 1]?.end !== found.start) return false;
    return wanted.isPattern ? matches(wanted.word, found.word) : wanted.word === found.word;
  });
}

/** Stars against a word without backtracking into earlier stars: at most pattern length times word length steps. */
function matches(pattern: string, word: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let place = 0;
  while (place < word.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = place;
    } else if (at < pattern.length && pattern[at] === word[place]) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      at = star + 1;
      place = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

function split(folded: string, isTerm: boolean): Word[] {
  return Array.from(folded.matchAll(isTerm ? TERM_WORDS : WORDS), (match) => ({
    word: match[0],
    start: match.index,
    end: match.index + match[0].length,
  }));
}

interface Folded {
  text: string;
  /** Where in the original a character of the folded text begins and ends. */
  startOf(index: number): number;
  endOf(index: number): number;
}

/**
 * Brings what looks alike to one form (NFKC, small letters), without invisible characters and without marks piled
 * on letters that they do not belong to.
 */
function fold(original: string): Folded {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII
  if (/^[\x00-\x7f]*$/.test(original)) {
    return { text: original.toLowerCase(), startOf: (index) => index, endOf: (index) => index + 1 };
  }
  const starts: number[] = [];
  const ends: number[] = [];
  let text = '';
  for (const { segment, index } of graphemes.segment(original)) {
    const plain = segment
      .normalize('NFKC')
      .toLowerCase()
      .normalize('NFKC')
      .replace(/\p{Cf}|[\u0300-\u036f]/gu, '');
    for (let count = 0; count < plain.length; count++) {
      starts.push(index);
      ends.push(index + segment.length);
    }
    text += plain;
  }
  return { text, startOf: (place) => starts[place] ?? 0, endOf: (place) => ends[place] ?? original.length };
}
