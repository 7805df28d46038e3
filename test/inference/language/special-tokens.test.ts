import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnswerOptions, LanguageModel } from '#inference/language/model';
import { PackTokenizer } from '#inference/language/tokens';
import type { Device } from '#inference/runtime/device';
import { Session } from '#inference/runtime/session';
import { loadPack, type Pack } from '#models/packs/read';
import type { GraphName } from '#models/packs/schema';
import { randomPack } from '#test/support/random-pack';

// Guards against: an end of the answer that can never be drawn, because the tokenizer has the same token for something
// that must not be.

const device: Device = { name: 'cpu', why: 'test', providers: ['cpu'], threads: 1 };
let folder: Awaited<ReturnType<typeof randomPack>>;
let pack: Pack;
let sessions: { prefill: Session; step: Session };

beforeAll(async () => {
  folder = await randomPack();
  pack = await loadPack(folder.packFolder);
  const open = (name: GraphName) => Session.load(pack.graph(name), name, device);
  sessions = { prefill: await open('language-prefill'), step: await open('language-step') };
});
afterAll(() => folder?.remove());

/** The likeliest answer, with other special tokens than the pack's. */
async function answer(special: Partial<PackTokenizer['special']>) {
  const { tokenizer: facts, language } = pack.manifest;
  const tokenizer = await PackTokenizer.load(pack.tokenizer, { ...facts, ...special });
  const model = new LanguageModel(sessions.prefill, sessions.step, tokenizer, language);
  const { injectedLayers, dim } = language;
  const options: AnswerOptions = {
    ...{ prompt: [1, ...tokenizer.encode('Who plays?')], injectedLayers, seed: 1, music: 'never', stop: [] },
    injection: Float32Array.from({ length: injectedLayers * dim }, (_, i) => Math.sin(i)),
    ...{ temperature: 0, topP: 1, maxTokens: 12 },
  };
  return model.answer(options);
}

describe('the end of an answer', () => {
  it.each(['pad', 'unk', 'bos'] as const)('comes where %s is the same token', async (other) => {
    const [first = Number.NaN] = (await answer({})).tokens;
    const ended = await answer({ eos: first, [other]: first });
    expect(ended).toMatchObject({ tokens: [first], text: '', cut: false });
    // Of its own, that token is never drawn.
    expect((await answer({ [other]: first })).tokens).not.toContain(first);
  });
});
