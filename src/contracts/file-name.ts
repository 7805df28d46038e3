/** Names of files, as people see them and as they save them. */

/** Longest name of a file, in characters; file systems take no more bytes either. */
export const MAX_FILE_NAME = 255;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).length;

/** The longest beginning of a text within so many characters and bytes of UTF-8 that ends between two letters. */
export function cutText(text: string, most: { characters: number; bytes: number }): string {
  const fits = (part: string) => part.length <= most.characters && bytesOf(part) <= most.bytes;
  if (fits(text)) return text;
  const take = (parts: Iterable<string>): string => {
    let taken = '';
    for (const part of parts) {
      if (!fits(taken + part)) break;
      taken += part;
    }
    return taken;
  };
  const whole = take(Array.from(graphemes.segment(text.slice(0, 2 * most.characters)), (one) => one.segment));
  // One letter under a pile of marks may be longer than all that there is room for.
  return whole === '' ? take(text.slice(0, 2 * most.characters)) : whole;
}

/**
 * A file name that every file system and every contract takes: what is too long loses the end before its ending.
 * `characters`: where fewer are to be shown.
 */
export function fitFileName(name: string, characters: number = MAX_FILE_NAME): string {
  const most = { characters, bytes: MAX_FILE_NAME };
  if (name.length <= most.characters && bytesOf(name) <= most.bytes) return name;
  const ending = /\.[A-Za-z0-9]{1,8}$/.exec(name)?.[0] ?? '';
  const stem = name.slice(0, name.length - ending.length);
  const room = { characters: characters - ending.length, bytes: MAX_FILE_NAME - ending.length };
  return cutText(stem, room).trimEnd() + ending;
}
