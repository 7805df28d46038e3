import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { EngineFile } from '#contracts/engine';

/** A file as the engine is given it: its key is the hash of its content. */
export async function engineFile(path: string, kind: EngineFile['kind'] = 'audio'): Promise<EngineFile> {
  const key = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return { path, key, kind, name: basename(path) };
}
