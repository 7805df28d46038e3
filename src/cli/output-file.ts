import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, link, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { MumuError } from '#contracts/errors';
import type { RequestOptions } from '#contracts/request';

type Format = NonNullable<RequestOptions['format']>;
const FORMATS: readonly Format[] = ['wav', 'mp3', 'ogg', 'flac', 'mp4'];

/**
 * The format that a file name asks for by its ending.
 * @throws MumuError invalid_input for an ending that is none of ours.
 */
export function formatOf(path: string): Format {
  const ending = extname(path).slice(1).toLowerCase();
  const format = FORMATS.find((candidate) => candidate === ending);
  if (format !== undefined) return format;
  throw new MumuError(
    'invalid_input',
    `${basename(path)} has to end in one of ${FORMATS.map((candidate) => `.${candidate}`).join(', ')}.`,
  );
}

/**
 * Checks before the work what would only fail after it.
 * @throws MumuError invalid_input if the folder is missing or the path is a folder.
 */
export async function checkTarget(path: string): Promise<void> {
  const folder = await stat(dirname(resolve(path))).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new MumuError('invalid_input', `The folder of ${path} does not exist.`);
  }
  if ((await stat(path).catch(() => undefined))?.isDirectory() === true) {
    throw new MumuError('invalid_input', `${path} is a folder: give --out a file name.`);
  }
}

/** Drafts that are being written: removed if the process is interrupted. */
const drafts = new Set<string>();

export function openDrafts(): readonly string[] {
  return [...drafts];
}

/**
 * Puts a finished file where it belongs. It is copied under another name first, so that no half-written file
 * ever stands at `target`.
 * @param replace whether a file at `target` is replaced; if not, a free name beside it is taken.
 * @returns the absolute path it ended up at.
 */
export async function deliver(source: string, target: string, replace: boolean): Promise<string> {
  const path = resolve(target);
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  drafts.add(draft);
  try {
    await copyFile(source, draft);
    if (replace) {
      await rename(draft, path);
      return path;
    }
    for (let count = 1; ; count += 1) {
      const candidate = count === 1 ? path : numbered(path, count);
      if (existsSync(candidate)) continue;
      try {
        // A link, unlike a rename, fails where a file has appeared meanwhile.
        await link(draft, candidate);
        return candidate;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST') continue;
        // File systems without hard links.
        if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
        await rename(draft, candidate);
        return candidate;
      }
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
      throw new MumuError('invalid_input', `${target} cannot be written: choose another place with --out.`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    await rm(draft, { force: true });
    drafts.delete(draft);
  }
}

/** "waltz.wav", 2 -> "waltz-2.wav" */
export function numbered(path: string, count: number): string {
  const ending = extname(path);
  return `${path.slice(0, path.length - ending.length)}-${count}${ending}`;
}
