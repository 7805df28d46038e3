import { describe, expect, it } from 'vitest';
import { buildCodecDecoder, buildCodecEncoder, encodecConfigSchema } from '#models/architectures/encodec';
import { musicgenDecoderConfigSchema } from '#models/architectures/musicgen';
import { buildProjector, projectorConfigSchema } from '#models/architectures/projector';
import { buildTextEncoder, relativeBucket, t5ConfigSchema } from '#models/architectures/t5';
import type { Graph } from '#models/graph/graph';
import type { WeightPrecision } from '#models/graph/types';
import { applyDelay, type CodeGrid, knownColumns, revertDelay } from '#models/music/delay-pattern';
import { compare, randomFloats } from './support/compare.js';
import { musicChecks, noWeights } from './support/parity-music.js';
import { closeMusicgen, generateMusic, openMusicgen, patternOf } from './support/parity-musicgen.js';
import { testParity } from './support/parity-tests.js';
import {
  encodecShapes,
  musicgenShapes,
  projectorShapes,
  randomReader,
  t5Shapes,
} from './support/random-weights.js';
import { floatsOf, integers, runGraph, type TestTensor } from './support/session.js';

// Guards against: relative positions in the wrong bucket, scaled T5 scores, the kind of GELU, post-norm taken for
// pre-norm, sines before cosines, a cache that is off by one, null prompts that attend to something, the LSTM's gate
// order, weight norm over the wrong axis, one-sided paddings, trims of the transposed convolutions, reflections of
// signals that are too short, residuals that are not carried from codebook to codebook.
testParity('music', musicChecks);

describe('quantised music decoder', () => {
  const config = musicgenDecoderConfigSchema.parse({
    vocab_size: 256,
    hidden_size: 192,
    num_hidden_layers: 2,
    num_attention_heads: 6,
    ffn_dim: 768,
    num_codebooks: 4,
  });
  const model = { weights: randomReader(musicgenShapes(config, 128), 5), config, textWidth: 128 };
  const prompts = {
    condition: { dims: [1, 7, 128], data: randomFloats(7 * 128, 6) },
    mask: { dims: [1, 7], data: new Float32Array(7).fill(1) },
    guidance: 3,
  };
  const codes = Int32Array.from(randomFloats(4 * 20, 7), (number) => Math.floor((number + 1) * 128));
  const delayed = applyDelay(patternOf(config), { codebooks: 4, steps: 20, data: codes }, 20);

  /** Logits of every step when the same codes are fed. */
  async function logitsAt(precision: WeightPrecision): Promise<Float32Array> {
    const sessions = await openMusicgen(model, precision);
    const { logits } = await generateMusic(sessions, config, prompts, [delayed], 1, true);
    await closeMusicgen(sessions);
    return Float32Array.from(logits.flatMap((step) => Array.from(step)));
  }

  // Random weights are the hardest case: nothing in them is redundant. Bounds: about twice what was measured.
  it('follows 32 bit closely', async () => {
    const exact = await logitsAt('fp32');
    const int8 = compare(await logitsAt('int8'), exact);
    const int4 = compare(await logitsAt('int4'), exact);
    expect(int8.largest).toBeGreaterThan(0);
    expect(int8.largest).toBeLessThan(0.05);
    expect(int8.mean).toBeLessThan(0.008);
    expect(int4.largest).toBeLessThan(0.3);
    expect(int4.mean).toBeLessThan(0.06);
  });
});

describe('quantised text encoder and projector', () => {
  /** Largest relative difference of int8 and int4 from 32 bit. */
  async function differences(
    build: (precision: WeightPrecision) => Graph,
    feeds: Record<string, TestTensor>,
  ): Promise<{ int8: number; int4: number }> {
    const run = async (precision: WeightPrecision) =>
      floatsOf(await runGraph(build(precision), feeds), 'condition');
    const exact = await run('fp32');
    return {
      int8: compare(await run('int8'), exact).largest,
      int4: compare(await run('int4'), exact).largest,
    };
  }

  it('follows 32 bit closely: T5', async () => {
    const config = t5ConfigSchema.parse({
      vocab_size: 200,
      d_model: 128,
      d_kv: 32,
      d_ff: 512,
      num_layers: 2,
      num_heads: 4,
    });
    const weights = randomReader(t5Shapes(config), 8);
    const ids = Array.from({ length: 12 }, (_, index) => (index * 37) % 200);
    const { int8, int4 } = await differences(
      (precision) => buildTextEncoder(weights, config, { precision }),
      { input_ids: integers([1, 12], ids) },
    );
    expect(int8).toBeGreaterThan(0);
    expect(int8).toBeLessThan(0.085);
    expect(int4).toBeLessThan(0.6);
  });

  it('follows 32 bit closely: projector', async () => {
    const config = projectorConfigSchema.parse({
      in_dim: 256,
      hidden_dim: 128,
      encoder_layers: 1,
      decoder_layers: 1,
      heads: 4,
      feed_forward: 512,
      queries: 8,
      out_dim: 128,
    });
    const weights = randomReader(projectorShapes(config, 40), 9);
    const { int8, int4 } = await differences(
      (precision) => buildProjector(weights, config, [38, 39], { precision }),
      { hidden: { dims: [1, 2, 256], data: randomFloats(512, 10) } },
    );
    expect(int8).toBeGreaterThan(0);
    expect(int8).toBeLessThan(0.04);
    expect(int4).toBeLessThan(0.32);
  });
});

describe('delay pattern', () => {
  it('comes back from its delayed form, down to a single frame', () => {
    for (const frames of [1, 2, 7]) {
      const pattern = { codebooks: 6, channels: 2, pad: 9 } as const;
      const data = Int32Array.from({ length: 6 * frames }, (_, index) => (index * 5) % 9);
      const codes: CodeGrid = { codebooks: 6, steps: frames, data };
      const delayed = applyDelay(pattern, codes, frames);
      expect(knownColumns(delayed)).toBe(frames + 3);
      expect(revertDelay(pattern, delayed)).toEqual(codes);
    }
  });

  it('refuses a prompt that is longer than the music', () => {
    const prompt: CodeGrid = { codebooks: 2, steps: 3, data: new Int32Array(6) };
    expect(() => applyDelay({ codebooks: 2, channels: 1, pad: 9 }, prompt, 2)).toThrow(RangeError);
  });
});

describe('T5 buckets', () => {
  it('count single steps, then grow, then stay', () => {
    const distances = [0, -1, 1, -7, -8, 7, 16, -127, -128, -5000, 5000];
    const buckets = distances.map((distance) => relativeBucket(distance, 32, 128));
    expect(buckets).toEqual([0, 1, 17, 7, 8, 23, 26, 15, 15, 15, 31]);
  });
});

describe('stereo through the mono codec', () => {
  const config = encodecConfigSchema.parse({
    sampling_rate: 1200,
    hidden_size: 8,
    num_filters: 4,
    upsampling_ratios: [3, 2],
    codebook_size: 16,
    target_bandwidths: [1.6],
    use_causal_conv: false,
    num_lstm_layers: 1,
  });
  const weights = randomReader(encodecShapes(config), 11);

  it('decodes the even codebooks to the left, the odd ones to the right', async () => {
    const frames = 9;
    const codes = Array.from(randomFloats(4 * frames, 12), (number) => Math.floor((number + 1) * 8));
    const stereo = await runGraph(buildCodecDecoder(weights, config, { channels: 2 }), {
      codes: integers([1, 4, frames], codes),
    });
    expect(stereo.waveform?.dims).toEqual([1, 2, frames * 6]);
    for (const channel of [0, 1]) {
      const own = [channel, channel + 2].flatMap((row) => codes.slice(row * frames, (row + 1) * frames));
      const mono = await runGraph(buildCodecDecoder(weights, config), {
        codes: integers([1, 2, frames], own),
      });
      const side = floatsOf(stereo, 'waveform').subarray(channel * frames * 6, (channel + 1) * frames * 6);
      expect(compare(side, floatsOf(mono, 'waveform')).largest).toBeLessThan(1e-5);
    }
  });

  it('interleaves the codes of both sides', async () => {
    const samples = 50;
    const waveform = randomFloats(2 * samples, 13);
    const stereo = await runGraph(buildCodecEncoder(weights, config, { channels: 2 }), {
      waveform: { dims: [1, 2, samples], data: waveform },
    });
    const frames = Math.ceil(samples / 6);
    expect(stereo.codes?.dims).toEqual([1, 4, frames]);
    const together = Array.from(stereo.codes?.data ?? [], Number);
    for (const channel of [0, 1]) {
      const side = waveform.slice(channel * samples, (channel + 1) * samples);
      const mono = await runGraph(buildCodecEncoder(weights, config), {
        waveform: { dims: [1, 1, samples], data: side },
      });
      const own = [channel, channel + 2].flatMap((row) => together.slice(row * frames, (row + 1) * frames));
      expect(own).toEqual(Array.from(mono.codes?.data ?? [], Number));
    }
  });
});

describe('a codec that MusicGen does not use', () => {
  it('is refused by what is unusual about it', () => {
    const config = encodecConfigSchema.parse({
      sampling_rate: 48_000,
      audio_channels: 2,
      normalize: true,
      chunk_length_s: 1,
      norm_type: 'time_group_norm',
      hidden_size: 128,
      num_filters: 32,
      upsampling_ratios: [8, 5, 4, 2],
      codebook_size: 1024,
      target_bandwidths: [24],
    });
    expect(() => buildCodecDecoder(noWeights, config)).toThrow(/it is stereo itself, it normalises/);
  });
});
