import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodecConfigSchema } from '#models/architectures/encodec';
import { musicgenDecoderConfigSchema } from '#models/architectures/musicgen';
import { encodecShapes, musicgenShapes, randomReader } from '#test/models/support/random-weights';

/** Everything tiny, nothing missing: the whole stack of a pack in well under a megabyte of random weights. */
const WIDTH = 32;
const AUDIO = { hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, channels: 16 };
const VISION = { hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32 };
const BYTES = 256;
const SPECIAL = ['<unk>', '<s>', '</s>', '<pad>'];
const AUDIO_TOKENS = Array.from({ length: 8 }, (_, i) => `[AUD${i}]`);
const VOCABULARY = SPECIAL.length + BYTES + AUDIO_TOKENS.length;

const components = {
  audio_encoder: {
    ...{ sampling_rate: 24_000, do_normalize: true, chunk_seconds: 2, hidden_size: AUDIO.hidden_size },
    ...{ num_hidden_layers: AUDIO.num_hidden_layers, num_attention_heads: AUDIO.num_attention_heads },
    ...{ conv_kernel: [480, 4, 4], conv_stride: [240, 2, 2], feat_extract_norm: 'layer' },
    ...{ do_stable_layer_norm: true, num_conv_pos_embeddings: 8, num_conv_pos_embedding_groups: 4 },
  },
  image_encoder: {
    ...{ ...VISION, image_size: 32, patch_size: 16 },
    ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
  },
  video_encoder: { ...VISION, image_size: 32, num_frames: 4, tubelet_size: [2, 16, 16] },
  language: {
    ...{ dim: WIDTH, n_layers: 4, n_heads: 4, vocab_size: VOCABULARY, hidden_dim: 48 },
    ...{ max_seq_len: 384, query_layer: 1 },
  },
  projector: {
    ...{ in_dim: WIDTH, hidden_dim: 16, encoder_layers: 1, decoder_layers: 1, heads: 2, feed_forward: 32 },
    ...{ queries: 6, out_dim: 16, scale: 10 },
  },
  text_encoder: {
    ...{ vocab_size: VOCABULARY, d_model: 16, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2 },
    max_tokens: 24,
  },
  music_decoder: {
    ...{ vocab_size: 32, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, ffn_dim: 48 },
    ...{ num_codebooks: 3, window_seconds: 2, guidance_scale: 3, top_k: 16 },
  },
  codec: {
    ...{ sampling_rate: 16_000, hidden_size: 16, num_filters: 4, upsampling_ratios: [8, 5, 4, 4] },
    ...{ use_causal_conv: false, use_conv_shortcut: false, num_lstm_layers: 1, codebook_size: 32 },
    // Bits a second of three codebooks of 32 entries at 25 frames a second, and half a codebook more.
    target_bandwidths: [(3.5 * 25 * 5) / 1000],
  },
};

/** Names and shapes of every tensor of the checkpoint. */
function shapes(): Map<string, number[]> {
  const all = new Map<string, number[]>();
  const linear = (name: string, out: number, inner: number, bias = true) => {
    all.set(`${name}.weight`, [out, inner]);
    if (bias) all.set(`${name}.bias`, [out]);
  };
  const norm = (name: string, width: number) =>
    all.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const gated = (prefix: string, width: number) => {
    linear(`${prefix}_proj`, WIDTH, width);
    for (const index of [1, 2, 3]) {
      all.set(`${prefix}_norm_${index}.weight`, [WIDTH]);
      for (const part of [1, 2, 3]) linear(`${prefix}_f${part}_${index}`, WIDTH, WIDTH, false);
    }
  };
  const pooled = (prefix: string, width: number) => {
    for (const part of ['ih', 'hh']) {
      all
        .set(`${prefix}_rnn.weight_${part}_l0`, [width, width])
        .set(`${prefix}_rnn.bias_${part}_l0`, [width]);
    }
    linear(`${prefix}_attention`, 1, width);
  };
  audioShapes(all, linear, norm);
  all.set('mu_mert_agg.weight', [1, AUDIO.num_hidden_layers + 1, 1]).set('mu_mert_agg.bias', [1]);
  pooled('mu_mert', AUDIO.hidden_size);
  gated('mu_mert', AUDIO.hidden_size);
  visionShapes('vit_model', [3, 16, 16], 5, all, linear, norm);
  all.set('iu_vit_agg.weight', [1, 5, 1]).set('iu_vit_agg.bias', [1]);
  gated('iu_vit', VISION.hidden_size);
  visionShapes('vivit_model', [3, 2, 16, 16], 9, all, linear, norm);
  pooled('iu_vivit', VISION.hidden_size);
  gated('iu_vivit', VISION.hidden_size);
  languageShapes(all, linear);
  projectorShapes(all, linear, norm);
  textShapes(all, linear);
  const decoder = musicgenDecoderConfigSchema.parse(components.music_decoder);
  for (const [name, dims] of musicgenShapes(decoder, 16)) all.set(`generation_model.${name}`, dims);
  const codec = encodecConfigSchema.parse(components.codec);
  for (const [name, dims] of encodecShapes(codec)) all.set(`generation_model.audio_encoder.${name}`, dims);
  return all;
}

type Shapes = Map<string, number[]>;
type Linear = (name: string, out: number, inner: number, bias?: boolean) => void;
type Norm = (name: string, width: number) => void;

function audioShapes(all: Shapes, linear: Linear, norm: Norm): void {
  const { hidden_size: width, channels } = AUDIO;
  for (const [index, kernel] of components.audio_encoder.conv_kernel.entries()) {
    const name = `mert_model.feature_extractor.conv_layers.${index}`;
    all.set(`${name}.conv.weight`, [channels, index === 0 ? 1 : channels, kernel]);
    all.set(`${name}.conv.bias`, [channels]);
    norm(`${name}.layer_norm`, channels);
  }
  norm('mert_model.feature_projection.layer_norm', channels);
  linear('mert_model.feature_projection.projection', width, channels);
  const positions = 'mert_model.encoder.pos_conv_embed.conv';
  all.set(`${positions}.weight`, [width, width / 4, 8]).set(`${positions}.bias`, [width]);
  norm('mert_model.encoder.layer_norm', width);
  for (let index = 0; index < AUDIO.num_hidden_layers; index++) {
    const layer = `mert_model.encoder.layers.${index}`;
    for (const part of ['q', 'k', 'v', 'out']) linear(`${layer}.attention.${part}_proj`, width, width);
    norm(`${layer}.layer_norm`, width);
    norm(`${layer}.final_layer_norm`, width);
    linear(`${layer}.feed_forward.intermediate_dense`, 32, width);
    linear(`${layer}.feed_forward.output_dense`, width, 32);
  }
}

function visionShapes(
  model: string,
  kernel: number[],
  tokens: number,
  all: Shapes,
  linear: Linear,
  norm: Norm,
): void {
  const { hidden_size: width, intermediate_size: inner } = VISION;
  const patches = `${model}.embeddings.patch_embeddings.projection`;
  all.set(`${patches}.weight`, [width, ...kernel]).set(`${patches}.bias`, [width]);
  all.set(`${model}.embeddings.cls_token`, [1, 1, width]);
  all.set(`${model}.embeddings.position_embeddings`, [1, tokens, width]);
  for (let index = 0; index < VISION.num_hidden_layers; index++) {
    const layer = `${model}.encoder.layer.${index}`;
    for (const part of ['query', 'key', 'value'])
      linear(`${layer}.attention.attention.${part}`, width, width);
    linear(`${layer}.attention.output.dense`, width, width);
    linear(`${layer}.intermediate.dense`, inner, width);
    linear(`${layer}.output.dense`, width, inner);
    norm(`${layer}.layernorm_before`, width);
    norm(`${layer}.layernorm_after`, width);
  }
  norm(`${model}.layernorm`, width);
}

function languageShapes(all: Shapes, linear: Linear): void {
  const { n_layers, n_heads, hidden_dim, query_layer } = components.language;
  all.set('prefix_query.weight', [3 * query_layer, WIDTH]);
  all.set('llama.tok_embeddings.weight', [VOCABULARY, WIDTH]).set('llama.output.weight', [VOCABULARY, WIDTH]);
  all.set('llama.norm.weight', [WIDTH]);
  for (let index = 0; index < n_layers; index++) {
    const layer = `llama.layers.${index}`;
    all.set(`${layer}.attention_norm.weight`, [WIDTH]).set(`${layer}.ffn_norm.weight`, [WIDTH]);
    for (const part of ['wq', 'wk', 'wv', 'wo']) {
      linear(`${layer}.attention.${part}`, WIDTH, WIDTH, part === 'wq' || part === 'wo');
    }
    all.set(`${layer}.attention.gate`, [1, n_heads, 1, 1]);
    linear(`${layer}.feed_forward.w1`, hidden_dim, WIDTH);
    linear(`${layer}.feed_forward.w3`, hidden_dim, WIDTH);
    linear(`${layer}.feed_forward.w2`, WIDTH, hidden_dim);
  }
}

function projectorShapes(all: Shapes, linear: Linear, norm: Norm): void {
  const { hidden_dim: width, feed_forward, queries, out_dim } = components.projector;
  linear('output_projector.fc', width, WIDTH);
  linear('output_projector.model', out_dim, width);
  all.set('output_projector.query_embs', [1, queries, width]);
  for (const side of ['encoder', 'decoder']) {
    const layer = `output_projector.tfm.${side}.layers.0`;
    for (const attention of side === 'encoder' ? ['self_attn'] : ['self_attn', 'multihead_attn']) {
      all.set(`${layer}.${attention}.in_proj_weight`, [3 * width, width]);
      all.set(`${layer}.${attention}.in_proj_bias`, [3 * width]);
      linear(`${layer}.${attention}.out_proj`, width, width);
    }
    linear(`${layer}.linear1`, feed_forward, width);
    linear(`${layer}.linear2`, width, feed_forward);
    for (const index of side === 'encoder' ? [1, 2] : [1, 2, 3]) norm(`${layer}.norm${index}`, width);
    norm(`output_projector.tfm.${side}.norm`, width);
  }
}

function textShapes(all: Shapes, linear: Linear): void {
  const { d_model, d_kv, d_ff, num_heads, num_layers } = components.text_encoder;
  const root = 'generation_model.text_encoder';
  all.set(`${root}.shared.weight`, [VOCABULARY, d_model]);
  all.set(`${root}.encoder.final_layer_norm.weight`, [d_model]);
  const bias = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
  all.set(`${root}.${bias}`, [32, num_heads]);
  for (let index = 0; index < num_layers; index++) {
    const block = `${root}.encoder.block.${index}.layer`;
    for (const part of ['q', 'k', 'v'])
      linear(`${block}.0.SelfAttention.${part}`, num_heads * d_kv, d_model, false);
    linear(`${block}.0.SelfAttention.o`, d_model, num_heads * d_kv, false);
    linear(`${block}.1.DenseReluDense.wi`, d_ff, d_model, false);
    linear(`${block}.1.DenseReluDense.wo`, d_model, d_ff, false);
    for (const part of [0, 1]) all.set(`${block}.${part}.layer_norm.weight`, [d_model]);
  }
}

/** A byte-level BPE tokenizer without merges, in Hugging Face's form: every byte is a token. */
function tokenizerJson(): object {
  const bytes = byteCharacters();
  const vocab = Object.fromEntries([...SPECIAL, ...bytes, ...AUDIO_TOKENS].map((token, id) => [token, id]));
  const added = [...SPECIAL, ...AUDIO_TOKENS].map((content) => ({
    ...{ id: vocab[content], content, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  }));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    ...{ version: '1.0', truncation: null, padding: null, added_tokens: added, normalizer: null },
    ...{ pre_tokenizer: byteLevel, post_processor: null, decoder: byteLevel },
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null },
      ...{ end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] },
    },
  };
}

/** GPT-2's printable stand-in for every byte. */
function byteCharacters(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: BYTES }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/** Writes a whole checkpoint of random weights; the same seed writes the same bytes. */
export async function writeRandomCheckpoint(folder: string, seed = 1): Promise<void> {
  await mkdir(folder, { recursive: true });
  const all = shapes();
  const reader = randomReader(all, seed);
  const header: Record<string, object> = {};
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, shape] of all) {
    const values = await reader.read(name);
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
    parts.push(bytes);
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat([length, padded, ...parts]));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson()));
  await writeFile(join(folder, 'checkpoint.json'), JSON.stringify(metadata(), null, 2));
}

function metadata(): object {
  return {
    ...{ format: 'mumu-checkpoint/1', name: 'random', variant: 'mumu-llama', version: '1', components },
    tokenizer: {
      ...{ file: 'tokenizer.json', unk: 0, bos: 1, eos: 2, pad: 3 },
      audio_tokens: AUDIO_TOKENS.map((_, i) => SPECIAL.length + BYTES + i),
    },
    prompt: { template: 'Instruction:\n{instruction}\n\n### Response:', stop: ['\n###'] },
    sampling: { temperature: 0.6, top_p: 0.8, max_tokens: 24 },
    ...{ conditioning: 'caption', licence: 'MIT' },
  };
}
