import { describe, expect, it } from 'vitest';
import { STAGES } from '#contracts/progress';
import { BUTTONS, decodeButton, encodeButton } from '#src/chat/delivery/custom-id';
import { LOCALES, localeOf, progressBar, statusLine, summaryLine, wordsFor } from '#src/chat/delivery/words';
import { makeRequest, makeResult } from '#test/support/requests';

describe('words', () => {
  it('are chosen by the closest language', () => {
    const chosen = ['de', 'es-419', 'es-ES', 'zh-CN', 'zh_TW', 'ja', 'en-GB', 'fr', '', undefined].map(
      localeOf,
    );
    expect(chosen).toEqual(['de', 'es', 'es', 'zh-CN', 'zh-CN', 'ja', 'en', 'en', 'en', 'en']);
  });

  it('are other words in every language, and short enough for buttons and forms', () => {
    const seen = new Set<string>();
    for (const locale of LOCALES) {
      const words = wordsFor(locale);
      for (const sentence of [words.fetching, words.moment, words.again, words.queued(3), words.remixLabel]) {
        expect(seen.has(sentence)).toBe(false);
        seen.add(sentence);
      }
      expect(words.queued(3)).toContain('3');
      for (const stage of STAGES) expect(words.stages[stage]).not.toBe('');
      // Discord: 80 characters on a button, 45 in a form's title and label; Slack: 75 and 24.
      for (const button of BUTTONS) expect(words.buttons[button].length).toBeLessThanOrEqual(75);
      expect(words.remixTitle.length).toBeLessThanOrEqual(24);
      expect(words.remixLabel.length).toBeLessThanOrEqual(45);
    }
  });

  it('say where a request stands', () => {
    expect(statusLine({ state: 'queued', position: 4 })).toBe('Number 4 in the queue');
    expect(statusLine({ state: 'active', stage: 'music', fraction: 0.25, notes: [] })).toBe(
      'Composing ▰▰▰▱▱▱▱▱▱▱▱▱ 25 %',
    );
    expect(statusLine({ state: 'active', again: true, notes: [] }, 'de')).toBe(
      `${wordsFor('de').again}\n${wordsFor('de').starting}`,
    );
    const cancelled = { code: 'cancelled' as const, message: 'The job was cancelled.' };
    expect(statusLine({ state: 'failed', error: cancelled }, 'es')).toBe('Cancelado.');
  });

  it('draw a bar that never claims more than is done', () => {
    expect(progressBar(0.999)).toBe(`${'▰'.repeat(11)}▱ 99 %`);
    expect(progressBar(1)).toBe(`${'▰'.repeat(12)} 100 %`);
    expect(progressBar(-1)).toBe(`${'▱'.repeat(12)} 0 %`);
  });

  it('sum a result up', () => {
    const request = makeRequest({ id: 'abc', options: { seed: 42 } });
    const result = { ...makeResult(request), timings: { ...makeResult(request).timings, total: 65_200 } };
    expect(summaryLine(result)).toBe('seed 42 · pack mini · 1:05 min · job abc');
  });
});

describe('ids of buttons', () => {
  it('come back as they went, within Discord’s 100 characters', () => {
    const id = 'a'.repeat(64);
    for (const button of BUTTONS) {
      expect(encodeButton(button, id).length).toBeLessThanOrEqual(100);
      expect(decodeButton(encodeButton(button, id))).toEqual({ button, id });
    }
  });

  it('of others are none', () => {
    for (const other of [
      '',
      'again',
      'again:',
      'play:1',
      'again:a b',
      'again:1:2',
      `again:${'a'.repeat(65)}`,
    ]) {
      expect(decodeButton(other)).toBeUndefined();
    }
  });
});
