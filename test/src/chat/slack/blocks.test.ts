import { describe, expect, it } from 'vitest';
import type { StatusView } from '#src/chat/delivery/types';
import { LOCALES } from '#src/chat/delivery/words';
import { isTooLong, type SharedFile, statusMessage } from '#src/chat/slack/blocks';
import { askForm, remixForm, requestForm } from '#src/chat/slack/forms';
import { homeView } from '#src/chat/slack/home';
import { messageProblems, viewProblems } from '#test/src/chat/slack/support/limits';
import { makeRequest, makeResult } from '#test/support/requests';

const id = 'a'.repeat(64);
const request = makeRequest({ id, command: 'remix', text: 'slower' });
const long = '<!channel> & <@U1> words '.repeat(2000);
const track = { key: 'b'.repeat(64), name: 'waltz.mp3', mime: 'audio/mpeg', bytes: 1 };
const manyFiles: SharedFile[] = Array.from({ length: 30 }, (_, place) => ({
  name: `<${place}>`.repeat(40),
  address: `https://mumu-test.slack.com/files/${'x'.repeat(200)}`,
  problem: 'p'.repeat(100),
}));

const views: Record<string, StatusView> = {
  fetching: { state: 'fetching' },
  moment: { state: 'moment' },
  queued: { state: 'queued', position: 3, again: true },
  active: { state: 'active', stage: 'music', fraction: 0.4, text: long, notes: [long, long, long, long] },
  failed: { state: 'failed', error: { code: 'invalid_input', message: long } },
  told: { state: 'told', text: long },
  done: {
    state: 'done',
    request,
    result: {
      ...makeResult(request, { text: long, files: [track] }),
      notes: Array.from({ length: 20 }, () => long),
      caption: long,
      plan: Array.from({ length: 20 }, () => ({ operation: 'x', description: long, by: 'model' as const })),
    },
  },
  empty: { state: 'done', request, result: makeResult(request, { text: '' }) },
};

describe('a status message', () => {
  it.each(Object.keys(views))('keeps Slack’s limits, however much there is: %s', (name) => {
    for (const locale of LOCALES) {
      const around = { id, owner: 'U1', locale, notice: long };
      const message = statusMessage(views[name] as StatusView, around, manyFiles);
      expect(messageProblems({ ...message, link_names: false }, false)).toEqual([]);
    }
  });

  it('has the buttons that fit what came out', () => {
    const actions = (given: { files?: (typeof track)[] }, command: 'generate' | 'remix' = 'generate') => {
      const asked = makeRequest({ command, text: 'a waltz' });
      const view = { state: 'done', request: asked, result: makeResult(asked, given) } as const;
      const block = statusMessage(view, { id, owner: 'U1', locale: 'de' }).blocks.find(
        ({ type }) => type === 'actions',
      );
      const { elements } = block as unknown as { elements: Array<{ action_id: string; value: string }> };
      return elements.map(({ action_id, value }) => `${action_id.split(':')[0]} ${value}`);
    };
    expect(actions({ files: [track] })).toEqual(['again U1', 'vary U1', 'extend U1', 'remix U1']);
    // An exact remix has nothing in it that a seed drew.
    expect(actions({ files: [track] }, 'remix')).toEqual(['again U1', 'extend U1', 'remix U1']);
    expect(actions({})).toEqual(['again U1']);
  });

  it('shows a remix’s plan once', () => {
    const plan = [{ operation: 'tempo', description: '20 % slower', by: 'exact' as const }];
    const result = { ...makeResult(request, { text: '20 % slower', files: [track] }), plan };
    const text = JSON.stringify(
      statusMessage({ state: 'done', request, result }, { id, owner: 'U1', locale: 'en' }),
    );
    // Once in the blocks, once in the plain text.
    expect(text.split('20 % slower')).toHaveLength(3);
  });

  it('knows what is too long for it', () => {
    expect(isTooLong('short')).toBe(false);
    expect(isTooLong(long)).toBe(true);
  });
});

describe('forms and the Home tab', () => {
  it('keep Slack’s limits', () => {
    const files = Array.from({ length: 10 }, (_, place) => ({
      name: 'n'.repeat(80),
      mime: 'video/quicktime',
      bytes: 123_456_789,
      reference: `F0123456789${place}`,
    }));
    const memory = {
      channel: 'C0123456789',
      thread: '1700000000.000001',
      conversation: 'c'.repeat(100),
      files,
    };
    for (const locale of LOCALES) expect(viewProblems(remixForm(memory, long, locale))).toEqual([]);
    expect(viewProblems(askForm(memory))).toEqual([]);
    expect(viewProblems(requestForm(memory))).toEqual([]);
    const jobs = Array.from({ length: 10 }, () => ({
      at: 1_700_000_000_000,
      request,
      result: makeResult(request),
      place: { channel: 'C1', ts: '1.000001' },
    }));
    expect(viewProblems(homeView(jobs, 'https://mumu-test.slack.com/'))).toEqual([]);
    expect(viewProblems(homeView([], 'https://mumu-test.slack.com/'))).toEqual([]);
  });
});
