import { describe, expect, it } from 'vitest';
import { resultBody, statusBody } from '#src/chat/discord/render';
import { messageProblems } from '#test/src/chat/discord/support/limits';
import { makeRequest, makeResult } from '#test/support/requests';

const shown = { id: 'd1', owner: '42', locale: 'de' };
const NONE = { lines: [], links: [], voice: false };

describe('what a message says', () => {
  it('fits into a message however much there is to say', () => {
    const request = makeRequest({ command: 'generate' });
    const link = { name: 'n'.repeat(255), url: `https://mumu.example/files/${'k'.repeat(200)}` };
    const result = {
      ...makeResult(request, { text: '𝄞 music '.repeat(900) }),
      notes: Array.from({ length: 40 }, (_, place) => `note ${place} ${'*'.repeat(80)}`),
      caption: 'c'.repeat(3000),
      plan: Array.from({ length: 30 }, () => {
        return { operation: 'tempo', description: 'tempo × 0.8', by: 'exact' as const };
      }),
    };
    const extras = { lines: ['l'.repeat(3000)], links: Array(9).fill(link), voice: true };
    const { body, overflow } = resultBody(request, result, extras, shown);
    expect(messageProblems(body, [], 1)).toEqual([]);
    expect(body.content.length).toBeLessThanOrEqual(2000);
    // The seed and whole links are worth more than the rest of the words, which are attached.
    expect(body.content).toMatch(/-# Seed 1 · Paket mini · .*$/);
    expect(body.content.match(/<https:\S+>/g)?.every((one) => one === `<${link.url}>`)).toBe(true);
    expect(overflow).toContain(result.text);
    const running = { state: 'active', notes: result.notes, text: result.text } as const;
    expect(messageProblems(statusBody(running, shown), [], 1)).toEqual([]);
  });

  it('shows the edits of a remix once', () => {
    const request = makeRequest({ command: 'remix', text: 'slower' });
    const plan = [{ operation: 'tempo', description: 'tempo × 0.8', by: 'exact' as const }];
    const result = { ...makeResult(request, { text: '1. tempo × 0.8' }), plan };
    expect(resultBody(request, result, NONE, shown).body.content).toMatch(/^1\. tempo × 0\.8\n-# Seed/);
  });

  it('takes nobody’s words for markup where none is meant', () => {
    const error = {
      code: 'unsupported_media',
      message: 'a_b_c.txt: [x](https://evil.example) **no**',
    } as const;
    const { content, components } = statusBody({ state: 'failed', error }, shown);
    expect(content).toContain('a\\_b\\_c.txt');
    expect(content).not.toContain('**no**');
    expect(content).not.toMatch(/(?<!\\)\[x\]/);
    expect(components).toEqual([]);
  });
});
