import { describe, expect, it } from 'vitest';
import { escaped, withoutMaskedLinks } from '#src/chat/discord/markdown';

describe('Markdown', () => {
  it.each([
    ['my_song*.mp3', 'my\\_song\\*.mp3'],
    ['`x` ~~y~~ ||z||', '\\`x\\` \\~\\~y\\~\\~ \\|\\|z\\|\\|'],
    ['# big\n> quote\n- item\n1. one', '\\# big\n\\> quote\n\\- item\n1\\. one'],
    ['[a](https://evil.example)', '\\[a\\](https://evil.example)'],
    ['--seed N: 20 % slower, a-b', '\\--seed N: 20 % slower, a-b'],
    ['back\\slash', 'back\\\\slash'],
  ])('%j is shown as it is', (text, expected) => {
    expect(escaped(text)).toBe(expected);
  });

  it('an answer keeps its layout but hides no address', () => {
    expect(withoutMaskedLinks(' **bold** [a](https://evil.example) ')).toBe(
      '**bold** [a]\\(https://evil.example)',
    );
  });

  it('no text keeps it busy: a tenth of these takes discord.js up to 22 s', () => {
    for (const part of ['[a](', '`', '[', '|', '#', '_a', '*', '1', '\n ', ' ']) {
      const text = part.repeat(40_000 / part.length);
      expect(escaped(text).length).toBeGreaterThanOrEqual(text.length);
      expect(withoutMaskedLinks(text).length).toBeGreaterThanOrEqual(0);
    }
  });
});
