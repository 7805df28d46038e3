import { describe, expect, it } from 'vitest';
import type { DoneResult, ResultFile } from '#contracts/result';
import { resultButtons } from '#src/chat/result-buttons';
import { makeRequest, makeResult } from '#test/support/requests';

const track: ResultFile = { key: 'a'.repeat(64), name: 'a.mp3', mime: 'audio/mpeg', bytes: 1 };
const step = { operation: 'reverse', description: 'played backwards' };

describe('what goes on from a result', () => {
  it.each([
    ['ask', {}, ['again']],
    ['generate', { files: [track] }, ['again', 'vary', 'extend', 'remix']],
    ['remix', { files: [track], plan: [{ ...step, by: 'exact' }] }, ['again', 'extend', 'remix']],
    ['remix', { files: [track], plan: [{ ...step, by: 'model' }] }, ['again', 'vary', 'extend', 'remix']],
  ] as const)('%s (%#)', (command, result, buttons) => {
    const request = makeRequest({ command, text: 'x' });
    expect(resultButtons(request, { ...makeResult(request), ...result } as DoneResult)).toEqual(buttons);
  });
});
