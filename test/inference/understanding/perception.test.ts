import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeAudio } from '#inference/media/audio';
import { probe } from '#inference/media/probe';
import type { Device } from '#inference/runtime/device';
import { floats, Session, takeFloats } from '#inference/runtime/session';
import { packFingerprint } from '#inference/stack';
import { FeatureCache } from '#inference/understanding/feature-cache';
import { type Perceived, Perception } from '#inference/understanding/perception';
import { chunkWaveform, normaliseWaveform } from '#inference/understanding/waveform';
import { loadPack, type Pack } from '#models/packs/read';
import type { GraphName } from '#models/packs/schema';
import { fixtureFolder, tone } from '#test/support/media-fixtures';
import { randomPack } from '#test/support/random-pack';

const device: Device = { name: 'cpu', why: 'test', providers: ['cpu'], threads: 1 };
const fixtures = fixtureFolder();
let folder: Awaited<ReturnType<typeof randomPack>>;
let pack: Pack;
let song: Perceived;
let samples: Float32Array;

beforeAll(async () => {
  folder = await randomPack();
  pack = await loadPack(folder.packFolder);
  // Chunks are two seconds long here: three of them.
  const path = tone(fixtures.path('song.wav'), { seconds: 5 });
  song = { path, key: 'song', info: await probe(path) };
  const { sampleRate } = pack.manifest.audioEncoder;
  samples =
    (await decodeAudio(path, { sampleRate, channels: 1, info: song.info })).samples[0] ?? new Float32Array();
});
afterAll(async () => {
  fixtures.remove();
  await folder?.remove();
});

const open = (name: GraphName) => Session.load(pack.graph(name), name, device);
/** One cache for all, as packs of one engine share it. */
const cache = new FeatureCache(fixtures.path('cache'));

function perception(normalise: boolean): Perception {
  const manifest = { ...pack.manifest, audioEncoder: { ...pack.manifest.audioEncoder, normalise } };
  const nothing = { size: 1, mean: [0, 0, 0], deviation: [1, 1, 1] };
  return new Perception(
    {
      audioEncoder: () => open('audio-encoder'),
      audioAdapter: () => open('audio-adapter'),
      imageEncoder: () => open('image-encoder'),
      videoEncoder: () => open('video-encoder'),
      injection: () => open('injection'),
    },
    {
      ...{ dim: pack.manifest.language.dim, fingerprint: packFingerprint(manifest), image: nothing },
      ...{ audio: manifest.audioEncoder, video: { ...nothing, frames: 1 } },
    },
    cache,
  );
}

/** The feature of chunks that the encoder hears as `prepare` leaves them. */
async function expected(prepare: (chunk: Float32Array) => Float32Array): Promise<Float32Array> {
  const encoder = await open('audio-encoder');
  const frames: number[] = [];
  let width = 0;
  const chunks = chunkWaveform(samples, pack.manifest.audioEncoder);
  expect(chunks).toHaveLength(3);
  for (const chunk of chunks) {
    const fetches = await encoder.run({ waveform: floats(prepare(chunk), [1, chunk.length]) });
    width = fetches.frames?.dims[2] ?? 0;
    frames.push(...takeFloats(fetches, 'frames'));
  }
  const adapter = await open('audio-adapter');
  const all = floats(Float32Array.from(frames), [1, frames.length / width, width]);
  return takeFloats(await adapter.run({ frames: all }), 'feature');
}

describe('a song', () => {
  it('is normalised for an encoder that was trained so, and left as it is for one that was not', async () => {
    const normalised = await expected(normaliseWaveform);
    const asItIs = await expected((chunk) => chunk.slice());
    expect(asItIs).not.toEqual(normalised);
    expect(await perception(true).song(song, {})).toEqual(normalised);
    expect(await perception(false).song(song, {})).toEqual(asItIs);
  });
});
