import { cutText } from '#contracts/file-name';
import { captionOf, tidy, withoutAudioTokens } from '#inference/language/answer-text';

/** A tempo as captions say it, what leads to it included. */
const TEMPO = /\b(?:(?:at|around|about) )*\d{2,3}\s*bpm\b/i;
/** Of what was left out, the user is told this many characters at most. */
const MOST_NAMED = 120;

export type Caption = {
  text: string;
  /** Whether these are the user's own words, whose end must not go missing in silence. */
  own: boolean;
};

/**
 * The caption in the answer; else the answer of a model that called for music itself; else the user's words, all of
 * them.
 */
export function captionFor(answer: { text: string; calledForMusic: boolean }, words: string): Caption {
  const caption = captionOf(answer.text) ?? (answer.calledForMusic ? tidy(answer.text) : '');
  if (caption) return { text: caption, own: false };
  // As `tidy` leaves them, but for its limit on length.
  const own = withoutAudioTokens(words)
    .replace(/\s+/g, ' ')
    .replace(/[.!\s]+$/, '');
  return own ? { text: own, own: true } : { text: tidy(answer.text) || 'music', own: false };
}

/**
 * As much of a caption as `fits`, cut between two words, and what was left out. A tempo is kept wherever it stands: the
 * music goes by it (`beatFramesOf`), so what is left of the caption ends with it. A caption that fits stays as it is.
 */
export function fitCaption(
  caption: string,
  fits: (text: string) => boolean,
): { text: string; leftOut: string } {
  if (fits(caption)) return { text: caption, leftOut: '' };
  const found = TEMPO.exec(caption);
  const cut = (limit: number) => {
    let end = endOfWord(caption, limit);
    if (found === null || end >= found.index + found[0].length)
      return { text: trimEnd(caption.slice(0, end)), leftOut: tidyPart(caption.slice(end)) };
    end = Math.min(end, found.index);
    const [tempo] = found;
    return {
      text: `${trimEnd(caption.slice(0, end))} ${tempo}`.trim(),
      leftOut: tidyPart(`${caption.slice(end, found.index)} ${caption.slice(found.index + tempo.length)}`),
    };
  };
  let most = 0;
  let over = caption.length;
  while (over - most > 1) {
    const middle = (most + over) >> 1;
    if (fits(cut(middle).text)) most = middle;
    else over = middle;
  }
  return cut(most);
}

/** What the user is told of words that were left out. */
export function leftOutNote(leftOut: string): string {
  const named = cutText(leftOut, { characters: MOST_NAMED, bytes: Infinity });
  const more = named === leftOut ? '' : '…';
  return `The description is too long for this pack's music; this was left out: "${named.trimEnd()}${more}".`;
}

/** The end of the last word within `limit` characters; scripts without spaces are cut between any two letters. */
function endOfWord(text: string, limit: number): number {
  if (text[limit] === ' ') return limit;
  const space = text.lastIndexOf(' ', limit);
  return space > limit / 2 ? space : cutText(text, { characters: limit, bytes: Infinity }).length;
}

/** Without the spaces and marks that are left where something was cut off. */
const trimEnd = (text: string): string => text.replace(/[\s,;:.!]+$/, '');

/** The same at both ends, and where something was taken out. */
const tidyPart = (text: string): string =>
  trimEnd(text.replace(/\s+([,;:.!]|$)|\s+/g, (_, mark?: string) => mark ?? ' ')).replace(/^[\s,;:.!]+/, '');
