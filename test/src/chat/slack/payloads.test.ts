import { describe, expect, it } from 'vitest';
import { remoteFiles } from '#src/chat/slack/payloads';

const nameOf = (name: string) => remoteFiles([{ id: 'F1', name }])[0]?.name ?? '';

describe('the name of a file', () => {
  it('that is long keeps its ending', () => {
    expect(nameOf('waltz.mp3')).toBe('waltz.mp3');
    expect(nameOf(`${'a'.repeat(200)}.mp3`)).toBe(`${'a'.repeat(76)}.mp3`);
  });

  it.each([0, 1])('is cut between letters, wherever they stand: %i', (shift) => {
    const name = nameOf(`${'a'.repeat(shift)}${'🎵'.repeat(60)}.mp3`);
    // Half a letter cannot be encoded: it throws.
    expect(encodeURIComponent(name)).toContain('.mp3');
    expect(name.length).toBeLessThanOrEqual(80);
  });
});
