import { describe, expect, it } from 'vitest';
import { ProgressView } from '#src/cli/terminal';

function record(isTTY: boolean) {
  const written: string[] = [];
  const view = new ProgressView({ isTTY, write: (text) => written.push(text) });
  return { view, text: () => written.join('') };
}

describe('ProgressView', () => {
  it('draws a bar on a terminal and wipes it', () => {
    const { view, text } = record(true);
    view.report({ type: 'stage', stage: 'music', fraction: 0.5 });
    expect(text()).toMatch(/\rcomposing +█{12}░{12} +50 %$/);
    view.clear();
    expect(text()).toMatch(/\r +\r$/);
  });

  it('writes one line a stage elsewhere, without control characters', () => {
    const { view, text } = record(false);
    for (const fraction of [0, 0.5, 1]) view.report({ type: 'stage', stage: 'decode', fraction });
    view.report({ type: 'note', text: 'cut' });
    expect(text()).toBe('mumu: reading\nmumu: cut\n');
  });
});
