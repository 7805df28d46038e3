import { createHash, randomInt } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MumuError, toMumuError } from '#contracts/errors';
import {
  CHECKPOINT_FILES,
  type CheckpointMetadata,
  readCheckpointMetadata,
} from '#models/checkpoint/metadata';
import { openSafetensors } from '#models/checkpoint/safetensors';
import type { TensorReader } from '#models/checkpoint/tensor-reader';
import { saveGraph, WeightFile } from '#models/graph/save';
import { packFacts } from '#models/packs/facts';
import { hashFile } from '#models/packs/files';
import { planGraphs } from '#models/packs/graphs';
import {
  BUILDER_VERSION,
  type GraphName,
  PACK_FORMAT,
  type PackDtype,
  type PackManifest,
  packManifestSchema,
} from '#models/packs/schema';

export interface BuildPackOptions {
  /** How large matrices are kept. Default 'fp32'. */
  dtype?: PackDtype;
  /** Called before each graph is written: its name, how many are done, of how many. */
  onProgress?: (progress: { graph: GraphName; done: number; of: number }) => void;
}

type PackFile = PackManifest['files'][number];

/**
 * Builds a pack from a checkpoint folder, tensor by tensor: memory holds the largest tensor, not the model. The pack
 * appears under `outFolder` when it is whole; a pack that was there before is replaced, and stays if anything fails.
 * Builds at the same time do not get into each other's way; what killed ones leave behind `clearLeftovers` removes.
 *
 * Throws MumuError not_found (no checkpoint), damaged_pack (checkpoint that does not fit its description, naming the
 * tensor or field), cannot_do (a kind of checkpoint that is not covered), disk_full.
 */
export async function buildPack(
  checkpointFolder: string,
  outFolder: string,
  options: BuildPackOptions = {},
): Promise<PackManifest> {
  const metadata = await readCheckpointMetadata(checkpointFolder);
  const reader = await openSafetensors(join(checkpointFolder, CHECKPOINT_FILES.weights));
  const building = aside(outFolder, 'building');
  try {
    await mkdir(building, { recursive: true });
    const manifest = await writePack(checkpointFolder, building, reader, metadata, options);
    await settle(building, manifest);
    await putInPlace(building, outFolder);
    return manifest;
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw buildError(error, basename(checkpointFolder));
  } finally {
    await reader.close();
  }
}

/**
 * Removes what builds of this pack left behind when their process was killed. Only for who knows that none is under
 * way. Should one be all the same (of a process that stood still for long), it fails: its folder is first taken from
 * where it would be put in place from, so that no part of it ever is.
 */
export async function clearLeftovers(outFolder: string): Promise<void> {
  const entries = await readdir(dirname(outFolder)).catch(() => []);
  for (const entry of entries) {
    const [, pack, kind] = /^(.+)\.(building|old)-\d+$/.exec(entry) ?? [];
    if (pack !== basename(outFolder)) continue;
    let folder = join(dirname(outFolder), entry);
    if (kind === 'building') {
      const taken = aside(outFolder, 'old');
      await rename(folder, taken).catch(() => undefined);
      folder = taken;
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** A folder beside the pack's that no other build has, in this process or any other. `listPacks` knows such names. */
function aside(outFolder: string, kind: 'building' | 'old'): string {
  return `${outFolder}.${kind}-${randomInt(2 ** 47)}`;
}

/** Everything is there and on the disk: after a power failure, too, what is in place is whole. */
async function settle(folder: string, { files }: PackManifest): Promise<void> {
  for (const { name, bytes } of [...files, { name: 'pack.json', bytes: undefined }]) {
    const file = await open(join(folder, name), 'r+');
    try {
      const { size } = await file.stat();
      if (bytes !== undefined && size !== bytes)
        throw new Error(`${name} was changed while the pack was built`);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function writePack(
  checkpointFolder: string,
  folder: string,
  reader: TensorReader,
  metadata: CheckpointMetadata,
  { dtype = 'fp32', onProgress }: BuildPackOptions,
): Promise<PackManifest> {
  const planned = planGraphs(reader, metadata, dtype);
  const files: PackFile[] = [];
  const weights = new Map<string, WeightFile>();
  try {
    for (const [done, { name, weights: fileName, build }] of planned.entries()) {
      onProgress?.({ graph: name, done, of: planned.length });
      const file = weights.get(fileName) ?? (await WeightFile.create(join(folder, fileName)));
      weights.set(fileName, file);
      files.push(await saveGraph(build(), folder, file));
    }
  } finally {
    for (const [name, file] of weights) files.push({ name, ...(await file.close()) });
  }
  files.push(await copyTokenizer(checkpointFolder, folder, metadata));
  const manifest: PackManifest = {
    format: PACK_FORMAT,
    builder: BUILDER_VERSION,
    dtype,
    ...packFacts(metadata),
    source: await checkpointSums(checkpointFolder),
    graphs: planned.map((graph) => graph.name),
    files,
  };
  // What nobody could open is no pack: the one that was there before stays.
  const { error } = packManifestSchema.safeParse(manifest);
  const issue = error?.issues[0];
  if (issue) {
    const field = issue.path.join('.');
    throw new RangeError(`${field} in pack.json would be refused (${issue.message})`, { cause: error });
  }
  await writeFile(join(folder, 'pack.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** sha256 of the files a pack is made of. */
export async function checkpointSums(checkpointFolder: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const name of Object.values(CHECKPOINT_FILES)) {
    sums[name] = (await hashFile(join(checkpointFolder, name))).sha256;
  }
  return sums;
}

/** Copies the tokenizer, after holding it against the language model: its ids must have rows in the embeddings. */
async function copyTokenizer(
  checkpointFolder: string,
  folder: string,
  { tokenizer, components }: CheckpointMetadata,
): Promise<PackFile> {
  const name = 'tokenizer.json';
  const text = await readFile(join(checkpointFolder, tokenizer.file)).catch((cause: unknown) => {
    throw new MumuError('damaged_pack', `The checkpoint has no ${tokenizer.file}.`, { cause });
  });
  const { vocab_size } = components.language;
  const special = [tokenizer.bos, tokenizer.eos, tokenizer.pad, tokenizer.unk, ...tokenizer.audio_tokens];
  const highest = Math.max(highestTokenId(text.toString('utf8'), tokenizer.file), ...special);
  if (highest >= vocab_size) {
    throw new MumuError(
      'damaged_pack',
      `The checkpoint's tokenizer has the token ${highest}, its language model only ${vocab_size}.`,
    );
  }
  await writeFile(join(folder, name), text);
  return { name, bytes: text.byteLength, sha256: createHash('sha256').update(text).digest('hex') };
}

function highestTokenId(text: string, file: string): number {
  try {
    const parsed = JSON.parse(text) as {
      model: { vocab: Record<string, number> };
      added_tokens?: { id: number }[];
    };
    const ids = [
      ...Object.values(parsed.model.vocab),
      ...(parsed.added_tokens ?? []).map((token) => token.id),
    ];
    return ids.reduce((highest, id) => Math.max(highest, id), 0);
  } catch (cause) {
    throw new MumuError('damaged_pack', `The checkpoint's ${file} is no tokenizer of Hugging Face's form.`, {
      cause,
    });
  }
}

/** Moves the whole pack to its place; what was there before is kept until the new one stands. */
async function putInPlace(building: string, outFolder: string): Promise<void> {
  await mkdir(dirname(outFolder), { recursive: true });
  const old = aside(outFolder, 'old');
  const moved = await rename(outFolder, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(building, outFolder);
  } catch (error) {
    // Another process may have put the same pack there a moment ago: then that one stays.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      if (moved) await rename(old, outFolder);
      throw error;
    }
    await rm(building, { recursive: true, force: true });
  }
  await rm(old, { recursive: true, force: true });
}

/** What a builder complains about is a checkpoint that does not fit its description. */
function buildError(error: unknown, checkpoint: string): MumuError {
  if (error instanceof RangeError) {
    const message = `The checkpoint ${checkpoint} does not fit its checkpoint.json: ${error.message}.`;
    return new MumuError('damaged_pack', message, { cause: error });
  }
  return toMumuError(error);
}
