import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toMumuError } from '#contracts/errors';
import { readCheckpointMetadata } from '#models/checkpoint/metadata';
import { openSafetensors } from '#models/checkpoint/safetensors';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { WeightFile } from '#models/graph/save';
import { buildPack, clearLeftovers } from '#models/packs/build';
import { planGraphs } from '#models/packs/graphs';
import { listPacks, loadPack, packIsCurrent, verifyPack } from '#models/packs/read';
import { GRAPH_NAMES, type PackManifest } from '#models/packs/schema';
import { randomPack } from '#test/support/random-pack';
import { PYTHON_TIMEOUT } from './support/parity-tests.js';
import { describeWithPython, runPython } from './support/python.js';

/** What the tests below change in a checkpoint.json. */
type CheckpointJson = {
  tokenizer: Record<string, unknown>;
  components: { music_decoder: { window_seconds: number } };
};

it('says that the disk is full when it is', async () => {
  const file = await WeightFile.create('/dev/full');
  const failure = await file.store('w', async () => new Uint8Array(8192)).catch((error: unknown) => error);
  expect(toMumuError(failure).code).toBe('disk_full');
  await file.close();
});

describe('a pack', () => {
  let random: Awaited<ReturnType<typeof randomPack>>;
  beforeAll(async () => {
    random = await randomPack();
  });
  afterAll(() => random?.remove());

  /** A copy of the pack with another pack.json, and whatever else is done to it. */
  const changed = async (change: (manifest: PackManifest, copy: string) => unknown): Promise<string> => {
    const copy = await mkdtemp(join(random.folder, 'changed-'));
    await cp(random.packFolder, copy, { recursive: true });
    const manifest: PackManifest = JSON.parse(await readFile(join(copy, 'pack.json'), 'utf8'));
    await change(manifest, copy);
    await writeFile(join(copy, 'pack.json'), JSON.stringify(manifest));
    return copy;
  };
  const unlist = (manifest: PackManifest, name: string) => {
    manifest.files = manifest.files.filter((file) => file.name !== name);
  };

  it('has a checksum of everything that is run or read', async () => {
    await verifyPack(await changed(() => undefined));
    const graph = await changed(async (manifest, copy) => {
      unlist(manifest, 'music-step.onnx');
      await writeFile(join(copy, 'music-step.onnx'), 'garbage');
    });
    for (const read of [loadPack, verifyPack]) {
      await expect(read(graph)).rejects.toMatchObject({ code: 'damaged_pack' });
      await expect(read(graph)).rejects.toThrow('music-step.onnx is not listed');
    }
    const tokenizer = await changed((manifest) => unlist(manifest, 'tokenizer.json'));
    await expect(verifyPack(tokenizer)).rejects.toThrow('tokenizer.json is not listed');
    // The name of a file of weights is in the graphs that read it.
    const weights = await changed(async (manifest, copy) => {
      unlist(manifest, 'language.bin');
      await writeFile(join(copy, 'language.bin'), 'garbage');
    });
    await expect(verifyPack(weights)).rejects.toMatchObject({ code: 'damaged_pack' });
    await expect(verifyPack(weights)).rejects.toThrow(/\.onnx reads language\.bin/);
  });

  it.each(['../tokenizer.json', '/etc/passwd', '..', 'a/tokenizer.json'])(
    'has its tokenizer in its own folder, not %s',
    async (file) => {
      const copy = await changed((manifest) => {
        manifest.tokenizer.file = file;
      });
      await expect(loadPack(copy)).rejects.toMatchObject({ code: 'damaged_pack' });
      await expect(verifyPack(copy)).rejects.toThrow('tokenizer.file');
    },
  );

  /** Builds a pack of the checkpoint with another checkpoint.json. */
  const build = async (change: (metadata: CheckpointJson) => void): Promise<string> => {
    const checkpoint = await mkdtemp(join(random.folder, 'checkpoint-'));
    await cp(join(random.folder, 'checkpoint'), checkpoint, { recursive: true });
    const metadata: CheckpointJson = JSON.parse(await readFile(join(checkpoint, 'checkpoint.json'), 'utf8'));
    change(metadata);
    await writeFile(join(checkpoint, 'checkpoint.json'), JSON.stringify(metadata));
    const out = join(random.folder, 'built', 'one');
    await buildPack(checkpoint, out);
    return out;
  };

  it('may have a tokenizer without padding or unknown token, never one without an end', async () => {
    const out = await build(({ tokenizer }) => Object.assign(tokenizer, { pad: -1, unk: -1 }));
    expect((await verifyPack(out)).tokenizer).toMatchObject({ pad: -1, unk: -1, bos: 1, eos: 2 });
    for (const wrong of [{ eos: -1 }, { bos: -1 }, { pad: -2 }]) {
      const failed = build(({ tokenizer }) => Object.assign(tokenizer, wrong));
      await expect(failed).rejects.toMatchObject({ code: 'damaged_pack' });
      await expect(failed).rejects.toThrow(`cannot be used: tokenizer.${Object.keys(wrong)[0]}`);
    }
  });

  it('is not built where its pack.json could not be read; what stood there stays', async () => {
    const out = await build(() => undefined);
    const failed = build(({ components }) => {
      components.music_decoder.window_seconds = 0.01;
    });
    await expect(failed).rejects.toMatchObject({ code: 'damaged_pack' });
    await expect(failed).rejects.toThrow('music.decoder.windowFrames');
    await verifyPack(out);
    expect(await readdir(join(random.folder, 'built'))).toEqual(['one']);
  });
});

describeWithPython('packs', () => {
  let folder: string;
  let checkpoint: string;
  let packs: string;
  let pack: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-packs-'));
    checkpoint = join(folder, 'checkpoint');
    packs = join(folder, 'packs');
    pack = join(packs, 'random');
    await runPython('mumu_training.parity_cases._checkpoint', [checkpoint]);
    await buildPack(checkpoint, pack);
  }, PYTHON_TIMEOUT);
  afterAll(() => rm(folder, { recursive: true }));

  /** Runs `damage` on a copy of the pack. */
  const damagedPack = async (damage: (copy: string) => Promise<void>): Promise<string> => {
    const copy = await mkdtemp(join(folder, 'damaged-'));
    await cp(pack, copy, { recursive: true });
    await damage(copy);
    return copy;
  };

  it('holds every graph, each of which onnxruntime opens, and passes its own checksums', async () => {
    const { manifest, graph } = await loadPack(pack);
    expect(new Set(manifest.graphs)).toEqual(new Set(GRAPH_NAMES));
    for (const name of manifest.graphs) {
      const session = await InferenceSession.create(graph(name), {
        intraOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      expect(session.outputNames.length).toBeGreaterThan(0);
      await session.release();
    }
    expect((await verifyPack(pack)).name).toBe('random');
    expect(manifest.audioEncoder).toMatchObject({
      sampleRate: 24000,
      hop: 960,
      receptiveField: 480 + 3 * 240 + 3 * 480,
    });
    expect(manifest.music?.decoder).toMatchObject({
      frameRate: 25,
      windowFrames: 100,
      codebooks: 4,
      headDim: 8,
    });
    expect(manifest.music?.codec).toMatchObject({ hop: 640, codebooks: 4 });
    expect(manifest.language).toMatchObject({ injectedLayers: 3, headDim: 16, context: 256 });
    expect(manifest.tokenizer.audioTokens).toHaveLength(8);
  });

  it('is listed, and current until its checkpoint changes', async () => {
    expect(await listPacks(packs)).toMatchObject([{ name: 'random', manifest: { dtype: 'fp32' } }]);
    expect(await listPacks(join(folder, 'nowhere'))).toEqual([]);
    expect(await packIsCurrent(pack, checkpoint)).toBe(true);
    const changed = join(folder, 'changed');
    await cp(checkpoint, changed, { recursive: true });
    const text = await readFile(join(changed, 'checkpoint.json'), 'utf8');
    await writeFile(join(changed, 'checkpoint.json'), text.replace('"version": "0"', '"version": "1"'));
    expect(await packIsCurrent(pack, changed)).toBe(false);
    expect(await packIsCurrent(join(packs, 'none'), checkpoint)).toBe(false);
  });

  it('names the file that is damaged', async () => {
    const short = await damagedPack((copy) => truncate(join(copy, 'music.bin'), 4096));
    await expect(loadPack(short)).rejects.toMatchObject({ code: 'damaged_pack' });
    await expect(loadPack(short)).rejects.toThrow('music.bin');
    const flipped = await damagedPack(async (copy) => {
      const file = await open(join(copy, 'language.bin'), 'r+');
      await file.write(Uint8Array.of(0x5a), 0, 1, 5000);
      await file.close();
    });
    await expect(loadPack(flipped)).resolves.toBeDefined();
    await expect(verifyPack(flipped)).rejects.toThrow('language.bin');
    const missing = await damagedPack((copy) => rm(join(copy, 'projector.onnx')));
    await expect(loadPack(missing)).rejects.toThrow('projector.onnx');
    const garbled = await damagedPack((copy) =>
      writeFile(join(copy, 'pack.json'), '{"format": "mumu-pack/1"}'),
    );
    await expect(loadPack(garbled)).rejects.toMatchObject({ code: 'damaged_pack' });
    await expect(loadPack(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('keeps the old pack when a build fails, and leaves nothing behind', async () => {
    const broken = join(folder, 'broken');
    await cp(checkpoint, broken, { recursive: true });
    await truncate(join(broken, 'model.safetensors'), 100_000);
    await expect(buildPack(broken, pack)).rejects.toMatchObject({ code: 'damaged_pack' });
    await expect(buildPack(broken, pack)).rejects.toThrow('model.safetensors');
    await expect(buildPack(join(folder, 'nowhere'), pack)).rejects.toMatchObject({ code: 'not_found' });
    await verifyPack(pack);
    expect(await readdir(packs)).toEqual(['random']);
    // What a killed build left is cleared by whoever knows that none is under way; other packs' is not.
    await mkdir(`${pack}.building-4194305`);
    await mkdir(`${pack}.old-4194305`);
    await mkdir(`${pack}.small.building-7`);
    await clearLeftovers(pack);
    expect(await readdir(packs)).toEqual(['random', 'random.small.building-7']);
    await rm(`${pack}.small.building-7`, { recursive: true });
  });

  it(
    'is replaced by a new build, quantised if asked to',
    async () => {
      const seen: string[] = [];
      const out = join(folder, 'again');
      await cp(pack, out, { recursive: true });
      const manifest = await buildPack(checkpoint, out, {
        dtype: 'int8',
        onProgress: ({ graph, done, of }) => seen.push(`${done}/${of} ${graph}`),
      });
      expect(manifest.dtype).toBe('int8');
      expect((await verifyPack(out)).dtype).toBe('int8');
      expect(seen).toHaveLength(GRAPH_NAMES.length);
      expect(seen[0]).toBe(`0/${GRAPH_NAMES.length} audio-encoder`);
    },
    PYTHON_TIMEOUT,
  );

  it('says what does not fit: dims, tokens, a prefix of several vectors', async () => {
    const edited = join(folder, 'edited');
    await cp(checkpoint, edited, { recursive: true });
    const text = await readFile(join(checkpoint, 'checkpoint.json'), 'utf8');
    const build = async (from: string, to: string) => {
      expect(text).toContain(from);
      await writeFile(join(edited, 'checkpoint.json'), text.replace(from, to));
      return buildPack(edited, join(folder, 'never'));
    };
    await expect(build('"conv_kernel": [', '"conv_kernel": "wide", "was": [')).rejects.toThrow('conv_kernel');
    await expect(build('"format": "mumu-checkpoint/1"', '"format": "other/2"')).rejects.toThrow('format');
    const reader = await openSafetensors(join(checkpoint, 'model.safetensors'));
    const longPrefix: TensorReader = Object.create(reader, {
      shape: { value: (name: string) => (name === 'prefix_query.weight' ? [30, 64] : reader.shape(name)) },
    });
    const metadata = await readCheckpointMetadata(checkpoint);
    expect(() => planGraphs(longPrefix, metadata, 'fp32')).toThrow('30 prefix vectors for 3 injected layers');
    await reader.close();
  });
});
