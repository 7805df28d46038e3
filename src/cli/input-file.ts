import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { EngineFile } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import type { FileRef } from '#contracts/request';
import { probe } from '#inference/media/probe';
import { cleanFileName } from '#src/chat/intake';

/** A file of the user's, as the request names it and as the engine reads it. */
export interface InputFile {
  reference: FileRef;
  engine: EngineFile;
}

/**
 * Looks into a file that was named on the command line, of at most `maxBytes`.
 * @throws MumuError not_found, invalid_input, unsupported_media, too_large; the sentence names the file.
 */
export async function openInput(path: string, maxBytes: number, signal?: AbortSignal): Promise<InputFile> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      throw new MumuError('not_found', `${path} does not exist.`);
    }
    throw new MumuError('invalid_input', `${path} cannot be read (${error.code}).`, { cause: error });
  });
  if (!found.isFile()) throw new MumuError('invalid_input', `${path} is no file.`);
  const name = cleanFileName(basename(path));
  try {
    const { kind, mime, seconds } = await probe(path, signal, maxBytes);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const key = hash.digest('hex');
    return {
      reference: { key, kind, name, mime, bytes: found.size, ...(seconds === undefined ? {} : { seconds }) },
      engine: { path: resolve(path), key, kind, name },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') {
      throw new MumuError('invalid_input', `${path} may not be read.`, { cause: error });
    }
    if (!(error instanceof MumuError) || error.code === 'missing_dependency') throw error;
    throw new MumuError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}
