import { beforeAll, describe, expect, it } from 'vitest';
import { captionOf, tidy, visibleText, withoutAudioTokens } from '#inference/language/answer-text';
import { buildPrompt } from '#inference/language/prompt';
import type { PackTokenizer } from '#inference/language/tokens';
import { randomTokenizer } from '#test/support/random-pack';

let tokenizer: PackTokenizer;

beforeAll(async () => {
  tokenizer = await randomTokenizer();
});

describe('tokens', () => {
  it.each([
    'Hello, world',
    ' a  b\n\nc\t',
    '🎵👩‍🎤 emoji',
    'שלום مرحبا',
    'naïve café — “quotes”',
    '\u0000\u0007',
  ])('of %j give the text back', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('hold an emoji back until it is whole', () => {
    const ids = tokenizer.encode('a🎵');
    expect(ids).toHaveLength(5);
    expect(tokenizer.decode(ids.slice(0, 3))).toBe('a');
    expect(tokenizer.decode(ids)).toBe('a🎵');
  });

  it('are never special ones where people type those', () => {
    const { special } = tokenizer;
    const ids = tokenizer.encode('[AUD0] [aud3] </s> <s> <pad> <unk>');
    for (const id of [special.bos, special.eos, special.pad, special.unk, ...special.audioTokens]) {
      expect(ids).not.toContain(id);
    }
  });

  it('leave special and audio tokens out of the text', () => {
    const { special } = tokenizer;
    const ids = [special.bos, ...tokenizer.encode('hi'), ...special.audioTokens, special.eos];
    expect(tokenizer.decode(ids)).toBe('hi');
  });
});

describe('prompts', () => {
  const template = 'Q: {instruction}\nA:';

  it('begin with <s> and hold the instruction as it is, "$&" and braces too', () => {
    const { ids, notes } = buildPrompt(tokenizer, template, '$& {instruction} $1', 300);
    expect(ids[0]).toBe(tokenizer.special.bos);
    expect(tokenizer.decode(ids)).toBe('Q: $& {instruction} $1\nA:');
    expect(notes).toEqual([]);
  });

  it('are cut to the context with a note, never inside an emoji', () => {
    const { ids, notes } = buildPrompt(tokenizer, template, '🎵'.repeat(1000), 200);
    expect(ids.length).toBeLessThanOrEqual(200 - 96);
    expect(tokenizer.decode(ids)).toMatch(/^Q: (🎵)+\nA:$/u);
    expect(notes).toHaveLength(1);
  });
});

describe('answers', () => {
  it('are cut at a stop string, and held back where one may begin', () => {
    expect(visibleText('A waltz.\n### Instruction', ['\n###'])).toEqual({ text: 'A waltz.', stopped: true });
    expect(visibleText('A waltz.\n##', ['\n###'])).toEqual({ text: 'A waltz.', stopped: false });
    expect(visibleText('C# and F##', ['\n###']).text).toBe('C# and F##');
  });

  it('never show audio tokens or control characters', () => {
    expect(withoutAudioTokens('Here. [AUD0][AUD1] [AUD7]')).toBe('Here.');
    expect(withoutAudioTokens('a\u0000\u001b[31m\nb\u0007')).toBe('a[31m\nb');
  });

  it.each([
    ['Here is a slow waltz in C major with piano.', 'a slow waltz in C major with piano'],
    ['Here is a calm piece, for a snowy night in the city. [AUD0][AUD1]', 'a calm piece'],
    ['The tempo is slow.', null],
    ['Here is .', null],
  ])('%s is told to the decoder as %s', (answer, caption) => {
    expect(captionOf(answer)).toBe(caption);
  });

  it('are tidied to one short line', () => {
    expect(tidy(' a\n b.. ')).toBe('a b');
    expect(tidy('x'.repeat(900))).toHaveLength(300);
  });
});
