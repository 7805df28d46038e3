import { describe, expect, it } from 'vitest';
import type { RemixContext } from '#inference/remix/contract';
import { remix } from '#inference/remix/index';
import { MODEL_CHANGES, type ModelChange } from '#models/checkpoint/metadata';

/** A song of a second, and a model that sings whatever it is told; what it was told is kept in `told`. */
function contextOf(changes: readonly ModelChange[]): { context: RemixContext; told: string[] } {
  const told: string[] = [];
  const sound = { samples: [new Float32Array(16_000)], sampleRate: 16_000 };
  const context: RemixContext = {
    signal: new AbortController().signal,
    breathe: async () => {},
    note: () => {},
    text: () => {},
    progress: () => {},
    pack: { name: 'small', changes },
    songName: 'waltz.mp3',
    isClip: false,
    decodeSong: async () => ({ ...sound, seconds: 1, cut: false, notes: [] }),
    understand: async () => '',
    compose: async ({ instruction }) => {
      told.push(instruction);
      return { sound, caption: 'a caption', text: '' };
    },
    write: async (_, name) => ({ path: `/${name}.wav`, name: `${name}.wav`, mime: 'audio/wav' }) as never,
  };
  return { context, told };
}

const wish = (instruction: string) => ({
  instruction,
  seed: 1,
  request: { command: 'remix', text: instruction, options: {} } as never,
});

describe('changes that a pack was trained to make', () => {
  it('are made, others are refused before anything is done', async () => {
    const { context, told } = contextOf(['add', 'replace', 'style']);
    await remix(wish('replace the piano by a violin'), context);
    await remix(wish('turn it into jazz'), context);
    expect(told).toEqual(['replace the piano by a violin', 'turn it into jazz']);
    const refused = remix(wish('turn it into jazz and remove the piano'), context);
    await expect(refused).rejects.toMatchObject({
      code: 'cannot_do',
      message: expect.stringMatching(
        /"small" has not learned to take an instrument out \("remove the piano"\).*add an instrument, put one/,
      ),
    });
    expect(told).toHaveLength(2);
  });

  it('are all of them for a pack that was taught all', async () => {
    const { context, told } = contextOf(MODEL_CHANGES);
    await remix(wish('remove the piano'), context);
    expect(told).toEqual(['remove the piano']);
  });

  it('do not matter to what is computed', async () => {
    const { context, told } = contextOf([]);
    const { plan } = await remix(wish('reverse it'), context);
    expect(plan).toMatchObject([{ operation: 'reverse', by: 'exact' }]);
    expect(told).toEqual([]);
  });
});
