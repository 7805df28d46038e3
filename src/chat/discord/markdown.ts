/*
 * Not discord.js's own escapeMarkdown and escapeMaskedLink: their expressions go back over the text so often that 4,000
 * characters of brackets took 22 s here, in which the bot answers nobody. These look at each character once.
 */

/** Words that are not meant as Markdown: names of files, options, reasons. */
export function escaped(text: string): string {
  return text
    .replace(/[\\*_~`|[\]]/g, '\\$&')
    .replace(/^([ \t]{0,3})([#>+-]|\d{1,9}(?=\.))/gm, (_whole, space: string, mark: string) =>
      /\d/.test(mark) ? `${space}${mark}\\` : `${space}\\${mark}`,
    );
}

/** An answer may be laid out with Markdown, but never show one address and lead to another. */
export function withoutMaskedLinks(text: string): string {
  return text.trim().replaceAll('](', ']\\(');
}
