import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LanguageModel } from '#inference/language/model';
import { PackTokenizer } from '#inference/language/tokens';
import { copyFrames, emptyCodes, MusicDecoder } from '#inference/music/decoder';
import type { Device } from '#inference/runtime/device';
import { KeyValueCache } from '#inference/runtime/key-value-cache';
import { createRandom } from '#inference/runtime/random';
import { argmax } from '#inference/runtime/sampling';
import { floats, longs, Session, takeFloats } from '#inference/runtime/session';
import { applyDelay, column, revertDelay } from '#models/music/delay-pattern';
import { loadPack, type Pack } from '#models/packs/read';
import type { GraphName } from '#models/packs/schema';
import { randomPack } from '#test/support/random-pack';

// Guards against: a cache that is off by one, lost when it grows, or of the wrong row; masks; states of the wrong
// position; guidance with its rows swapped; a prompt that is predicted anew.

const device: Device = { name: 'cpu', why: 'test', providers: ['cpu'], threads: 1 };
let folder: Awaited<ReturnType<typeof randomPack>>;
let pack: Pack;

beforeAll(async () => {
  folder = await randomPack();
  pack = await loadPack(folder.packFolder);
});
afterAll(() => folder?.remove());

const open = (name: GraphName) => Session.load(pack.graph(name), name, device);

describe('the language model', () => {
  it('with its cache says what it says without one, and its music states are those of the whole sequence', async () => {
    const { manifest } = pack;
    const { dim, injectedLayers } = manifest.language;
    const tokenizer = await PackTokenizer.load(pack.tokenizer, manifest.tokenizer);
    const prefill = await open('language-prefill');
    const model = new LanguageModel(prefill, await open('language-step'), tokenizer, manifest.language);
    const injection = Float32Array.from({ length: injectedLayers * dim }, (_, i) => Math.sin(i));
    const prompt = [1, ...tokenizer.encode('Which instrument is it? It may be a flute, it may be a drum.')];
    const answer = await model.answer({
      ...{ prompt, injection, injectedLayers, temperature: 0, topP: 1, maxTokens: 80, stop: [], seed: 1 },
      music: 'wanted',
    });
    const { audioTokens, eos } = manifest.tokenizer;
    expect(answer.tokens.slice(-8)).toEqual(audioTokens);
    const said = answer.tokens.slice(0, -8);

    const run = async (ids: number[]) => {
      const inputs = {
        input_ids: longs(ids, [1, ids.length]),
        injection: floats(injection, [injectedLayers, dim]),
      };
      return prefill.run(inputs);
    };
    // Long enough for the cache to have grown.
    expect(prompt.length + said.length).toBeGreaterThan(128);
    for (const place of [0, 1, 40, said.length - 1]) {
      const logits = takeFloats(await run([...prompt, ...said.slice(0, place)]), 'logits').slice();
      for (const id of [0, 1, 3, ...audioTokens.slice(1)]) logits[id] = -Infinity;
      const next = argmax(logits);
      expect(next === audioTokens[0] ? eos : next).toBe(said[place]);
    }
    const ended = said.at(-1) === eos ? said.slice(0, -1) : said;
    const whole = takeFloats(await run([...prompt, ...ended, ...audioTokens.slice(0, 7)]), 'hidden');
    const last = whole.length / dim;
    let worst = 0;
    for (let i = 0; i < 8 * dim; i++) {
      const expected = whole[(last - 8) * dim + i] ?? 0;
      worst = Math.max(worst, Math.abs((answer.musicStates?.[i] ?? 0) - expected));
    }
    expect(worst).toBeLessThan(1e-4);
  });
});

describe('the music decoder', () => {
  it('with its cache gives the codes of whole runs under guidance, and keeps its prompt', async () => {
    const music = pack.manifest.music;
    if (!music) throw new Error('the random pack makes music');
    const { decoder: dims, text } = music;
    const [condition, prefill, step] = [
      await open('music-condition'),
      await open('music-prefill'),
      await open('music-step'),
    ];
    const decoder = new MusicDecoder({ condition, prefill, step }, dims);
    const states = Float32Array.from({ length: 5 * text.width }, (_, i) => Math.cos(i));
    const told = { states, length: 5, width: text.width, mask: new Float32Array(5).fill(1) };
    const prompt = emptyCodes(dims.codebooks, 3);
    prompt.data.set([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const sampling = { guidance: 2.5, temperature: 0, topK: 1 };
    const frames = 40;
    const codes = await decoder.generate(told, prompt, frames, sampling, { random: createRandom(1, 'x') });
    const kept = emptyCodes(dims.codebooks, 3);
    copyFrames(codes, 0, kept, 0, 3);
    expect(kept).toEqual(prompt);

    const mask = floats(Float32Array.from([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]), [2, 5]);
    const rows = new Float32Array(2 * states.length);
    rows.set(states);
    const cross = await condition.run({ condition: floats(rows, [2, 5, text.width]), condition_mask: mask });
    const pattern = { codebooks: dims.codebooks, channels: dims.channels, pad: dims.codebookSize };
    const delayed = applyDelay(pattern, codes, frames);
    expect(revertDelay(pattern, delayed)).toEqual(codes);
    for (const place of [7, 8, 20, delayed.steps - dims.codebooks - 1]) {
      const seen = Array.from({ length: place }, (_, i) => [...column(delayed, i)]);
      const one = Array.from({ length: dims.codebooks }, (_, k) => seen.map((codes) => codes[k] ?? 0)).flat();
      const given = longs([...one, ...one], [2, dims.codebooks, place]);
      const out = await prefill.run({ codes: given, condition_mask: mask, ...cross });
      const logits = takeFloats(out, 'logits');
      const card = dims.codebookSize;
      const picked = Array.from({ length: dims.codebooks }, (_, k) =>
        argmax(
          Float32Array.from({ length: card }, (_, i) => {
            const without = logits[(dims.codebooks + k) * card + i] ?? 0;
            return without + 2.5 * ((logits[k * card + i] ?? 0) - without);
          }),
        ),
      );
      expect(picked).toEqual([...column(delayed, place)]);
    }
  });
});

describe('the cache', () => {
  it('keeps every row where it belongs while it grows', () => {
    const cache = new KeyValueCache({ layers: 2, rows: 3, headDim: 2 }, 1);
    const row = (position: number) => Float32Array.from({ length: 12 }, (_, i) => position * 100 + i);
    for (let position = 0; position < 150; position++) cache.append(row(position), row(-position));
    const feeds = cache.feeds([3]);
    expect(feeds.mask?.dims).toEqual([256]);
    const mask = feeds.mask?.data as Float32Array;
    expect([mask[149], mask[150]]).toEqual([0, Float32Array.from([-1e9])[0]]);
    const keys = feeds['key_cache.1']?.data as Float32Array;
    const values = feeds['value_cache.1']?.data as Float32Array;
    // Layer 1, row 2 of position 140: numbers 10 and 11 of what was appended.
    const at = (2 * 256 + 140) * 2;
    expect([...keys.subarray(at, at + 2)]).toEqual([14010, 14011]);
    expect([...values.subarray(at, at + 2)]).toEqual([-13990, -13989]);
  });
});

describe('a session', () => {
  it('names the input that is wrong', async () => {
    const session = await open('injection');
    const { dim } = pack.manifest.language;
    const good = floats(new Float32Array(dim), [1, dim]);
    const bad = floats(new Float32Array(dim + 1), [1, dim + 1]);
    await expect(session.run({ audio: good, image: good })).rejects.toThrow(
      /injection: input "video" is missing/,
    );
    await expect(session.run({ audio: good, image: good, video: bad })).rejects.toThrow(
      /"video" is float32 \[1, 33\]/,
    );
    const more = { audio: good, image: good, video: good, smell: good };
    await expect(session.run(more)).rejects.toThrow(/no input "smell"/);
  });
});
