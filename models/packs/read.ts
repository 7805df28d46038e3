import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MumuError } from '#contracts/errors';
import { weightFilesOf } from '#models/graph/onnx-schema';
import { checkpointSums } from '#models/packs/build';
import { hashFile } from '#models/packs/files';
import {
  BUILDER_VERSION,
  type GraphName,
  graphFile,
  type PackManifest,
  packManifestSchema,
} from '#models/packs/schema';

/** A pack that is there and whose description can be read. */
export interface Pack {
  folder: string;
  manifest: PackManifest;
  /** Path of a graph; throws MumuError cannot_do where the pack has none of that name. */
  graph(name: GraphName): string;
  /** Path of the tokenizer. */
  tokenizer: string;
}

const damaged = (name: string, why: string, cause?: unknown) =>
  new MumuError(
    'damaged_pack',
    `The pack ${name} is damaged: ${why}. Build it again with "mumu packs build".`,
    {
      cause,
    },
  );

/**
 * Reads a pack's description and sees that its files are there with the sizes they should have (see `verifyPack` for
 * their contents). Throws MumuError not_found (no pack there) or damaged_pack (naming the file).
 */
export async function loadPack(folder: string): Promise<Pack> {
  const name = basename(folder);
  let text: string;
  try {
    text = await readFile(join(folder, 'pack.json'), 'utf8');
  } catch (cause) {
    throw new MumuError('not_found', `There is no pack called ${name}.`, { cause });
  }
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw damaged(name, 'pack.json is not JSON', cause);
  }
  const parsed = packManifestSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw damaged(
      name,
      `pack.json cannot be read (${issue?.path.join('.')}: ${issue?.message})`,
      parsed.error,
    );
  }
  const manifest = parsed.data;
  for (const file of manifest.files) {
    const found = await stat(join(folder, file.name)).catch(() => undefined);
    if (!found) throw damaged(name, `${file.name} is missing`);
    if (found.size !== file.bytes) {
      throw damaged(name, `${file.name} has ${found.size} bytes instead of ${file.bytes}`);
    }
  }
  const graph = (wanted: GraphName) => {
    if (!manifest.graphs.includes(wanted)) {
      throw new MumuError('cannot_do', `The pack ${name} has no ${wanted}.`);
    }
    return join(folder, graphFile(wanted));
  };
  return { folder, manifest, graph, tokenizer: join(folder, manifest.tokenizer.file) };
}

/**
 * Reads every file of a pack and compares its sha256, and sees that the weights its graphs list lie in those files
 * (a graph of another builder may name files in attributes and sub-graphs, which are not looked at). Throws MumuError
 * not_found or damaged_pack, naming the first file that differs.
 */
export async function verifyPack(folder: string): Promise<PackManifest> {
  const { manifest, graph } = await loadPack(folder);
  for (const file of manifest.files) {
    const { sha256 } = await hashFile(join(folder, file.name));
    if (sha256 !== file.sha256) throw damaged(basename(folder), `${file.name} does not match its checksum`);
  }
  const listed = new Set(manifest.files.map((file) => file.name));
  for (const name of manifest.graphs) {
    const unlisted = weightFilesOf(await readFile(graph(name))).find((file) => !listed.has(file));
    if (unlisted === undefined) continue;
    throw damaged(basename(folder), `${graphFile(name)} reads ${unlisted}, which pack.json does not list`);
  }
  return manifest;
}

/** Whether a pack is what its checkpoint would make today: same files, same builders. */
export async function packIsCurrent(folder: string, checkpointFolder: string): Promise<boolean> {
  let pack: Pack;
  try {
    pack = await loadPack(folder);
  } catch (error) {
    if (error instanceof MumuError) return false;
    throw error;
  }
  if (pack.manifest.builder !== BUILDER_VERSION) return false;
  const sums = await checkpointSums(checkpointFolder);
  return Object.entries(sums).every(([name, sum]) => pack.manifest.source[name] === sum);
}

/** One line of a listing: a pack, or why it cannot be used. */
export type ListedPack =
  | { name: string; manifest: PackManifest; bytes: number }
  | { name: string; problem: MumuError };

/** The packs in a folder of packs (`<data>/packs`), by name; an absent folder holds none. */
export async function listPacks(packsFolder: string): Promise<ListedPack[]> {
  const entries = await readdir(packsFolder, { withFileTypes: true }).catch(() => []);
  // Folders that a build left behind when it was killed have a dot in that place, see build.ts.
  const names = entries
    .filter((entry) => entry.isDirectory() && !/\.(building|old)-\d+$/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  const listed: ListedPack[] = [];
  for (const name of names) {
    try {
      const { manifest } = await loadPack(join(packsFolder, name));
      const bytes = manifest.files.reduce((total, file) => total + file.bytes, 0);
      listed.push({ name, manifest, bytes });
    } catch (error) {
      if (!(error instanceof MumuError)) throw error;
      if (error.code !== 'not_found') listed.push({ name, problem: error });
    }
  }
  return listed;
}
