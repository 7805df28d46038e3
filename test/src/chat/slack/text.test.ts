import { describe, expect, it } from 'vitest';
import { lineOf } from '#src/chat/slack/slash-commands';
import { cut, escapeText, fallbackText, link, sectionTexts, typedText } from '#src/chat/slack/text';

describe('what is shown', () => {
  it('mentions nobody, whatever is in it', () => {
    expect(escapeText('<!channel> <@U1> a & b')).toBe('&lt;!channel&gt; &lt;@U1&gt; a &amp; b');
    expect(fallbackText('<!here>')).toBe('&lt;!here&gt;');
    expect(link('https://a.test/x|y>z', 'song <1>|.mp3')).toBe(
      '<https://a.test/x%7Cy%3Ez|song &lt;1&gt;¦.mp3>',
    );
  });

  it('is split at pauses into sections that fit once they are escaped', () => {
    const text = Array.from({ length: 900 }, (_, place) => `word${place} &`).join(' ');
    const { parts, whole } = sectionTexts(text, 100_000);
    expect(whole).toBe(true);
    expect(parts.every((part) => part.length <= 3000)).toBe(true);
    expect(parts.join(' ')).toBe(escapeText(text));
  });

  it('is split inside a word where there is no pause, never inside a character', () => {
    const { parts } = sectionTexts('🎵'.repeat(2000), 100_000);
    expect(parts.join('')).toBe('🎵'.repeat(2000));
    expect(parts.every((part) => part.length <= 3000 && [...part].every((one) => one === '🎵'))).toBe(true);
  });

  it('ends where the message is full, and says so', () => {
    const { parts, whole } = sectionTexts('a b '.repeat(5000), 9000);
    expect(whole).toBe(false);
    expect(parts.join('').length).toBeLessThanOrEqual(9000);
  });

  it('is cut without halving a character', () => {
    expect(cut('short', 5)).toBe('short');
    expect(cut('abc🎵🎵', 5)).toBe('abc…');
  });
});

describe('what was typed', () => {
  it('reads as words again', () => {
    expect(
      typedText('<@U0MUMU> what &amp; why, <@U1|bo>? see <https://a.test|this> in <#C1|general>', 'U0MUMU'),
    ).toBe('what & why, @bo? see this in #general');
    expect(typedText('1 &lt; 2 <!here>', 'U0MUMU')).toBe('1 < 2 @here');
  });

  it('takes a command from the end of its name, or from behind /mumu', () => {
    expect(lineOf({ command: '/ask', text: 'a &lt; b?' })).toBe('/ask a < b?');
    expect(lineOf({ command: '/studio-generate', text: 'a waltz' })).toBe('/generate a waltz');
    expect(lineOf({ command: '/mumu', text: 'remix slower' })).toBe('/remix slower');
    expect(lineOf({ command: '/mumu', text: '/help ask' })).toBe('/help ask');
    expect(lineOf({ command: '/mumu', text: 'Which key is it in?' })).toBe('Which key is it in?');
    expect(lineOf({ command: '/mumu', text: ' ' })).toBeUndefined();
  });
});
