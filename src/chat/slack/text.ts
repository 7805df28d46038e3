/** Longest text of one section block, characters as sent. */
export const SECTION_TEXT = 3000;
/** Of the plain text beside the blocks: what notifications and screen readers take. */
const FALLBACK_TEXT = 3000;

/**
 * Makes text safe to show: Slack's three control characters are written out, so that neither a mention (`<!channel>`,
 * `<@U1>`) nor a disguised link can come of what a person or a model wrote.
 */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A link with a name; the address is Slack's or ours. */
export function link(address: string, name: string): string {
  return `<${address.replaceAll('|', '%7C').replaceAll('>', '%3E')}|${escapeText(name).replaceAll('|', '¦')}>`;
}

/** The plain text of a message: what is shown where blocks are not. */
export function fallbackText(text: string): string {
  return escapeText(cut(text, FALLBACK_TEXT / 2));
}

/** The start of a text, at most `length` characters with the mark that something is missing. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  // Not in the middle of a character that takes two units.
  return `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/**
 * Splits text into escaped parts that fit a section each, at line breaks or spaces where there are some.
 * @param budget most characters of all parts together, as they are sent: escaped, and as JSON.
 * @returns the parts, and whether all of the text is in them.
 */
export function sectionTexts(text: string, budget: number): { parts: string[]; whole: boolean } {
  const parts: string[] = [];
  let rest = text.trim();
  let left = budget;
  while (rest !== '' && left > 0) {
    const length = fitting(rest, Math.min(SECTION_TEXT, left));
    if (length === 0) break;
    const part = rest.slice(0, length).trimEnd();
    parts.push(escapeText(part));
    left -= sentLength(part);
    rest = rest.slice(length).trimStart();
  }
  return { parts, whole: rest === '' };
}

/** The start of a text as one escaped part of at most `length` characters as sent. */
export function escapedCut(text: string, length: number): string {
  const { parts, whole } = sectionTexts(text, Math.min(SECTION_TEXT, length) - 1);
  return `${parts[0] ?? ''}${whole ? '' : '…'}`;
}

/** How much of the start of `text` is at most `limit` characters long as it is sent. */
function fitting(text: string, limit: number): number {
  let sent = 0;
  let end = 0;
  for (const character of text) {
    sent += sentLength(character);
    if (sent > limit) break;
    end += character.length;
  }
  if (end === text.length) return end;
  const window = text.slice(0, end);
  const pause = Math.max(window.lastIndexOf('\n'), window.lastIndexOf(' '));
  // A word of more than half a section is cut.
  return pause > end / 2 ? pause : end;
}

function sentLength(text: string): number {
  return JSON.stringify(escapeText(text)).length - 2;
}

/**
 * What a person typed, from what Slack hands over: links and names of people and channels become plain words again.
 * @param botUser whose mention is taken out.
 */
export function typedText(text: string, botUser: string): string {
  return text
    .replaceAll(new RegExp(`<@${botUser}(?:\\|[^>]*)?>`, 'g'), ' ')
    .replace(/<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>/g, (_whole, sign: string, target: string, name?: string) => {
      if (sign === '') return name ?? target;
      if (sign === '!') return name ?? `@${target}`;
      return `${sign}${name ?? target}`;
    })
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/[ \t]{2,}/g, ' ')
    .trim();
}
