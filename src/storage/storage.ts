import type { Readable } from 'node:stream';
import { z } from 'zod';
import { MEDIA_KINDS } from '#contracts/request';

/** Storage key: the lower-case hex SHA-256 of the content. */
export const storageKeySchema = z.string().regex(/^[0-9a-f]{64}$/);

/** What is known of stored content, found by looking into it, never from its name. */
export const contentSchema = z.object({
  kind: z.enum(MEDIA_KINDS),
  mime: z.string().max(127),
  /** Duration, seconds; absent for pictures. */
  seconds: z.number().nonnegative().optional(),
});
export type Content = z.infer<typeof contentSchema>;

export interface StoredFile extends Content {
  key: string;
  bytes: number;
}

export interface PutOptions {
  /** Most bytes taken in; more is `too_large`. */
  maxBytes: number;
  /**
   * Looks into the content, which lies whole at `path` but under no key yet; what it throws is thrown on and
   * nothing stays.
   */
  inspect(path: string): Promise<Content>;
  signal?: AbortSignal;
}

/** Keeps the caller's files from being cleaned away until `release`. */
export interface Hold {
  release(): void;
}

/**
 * Where files lie, by the hash of their content. A folder serves one machine; whatever serves several implements
 * the same.
 */
export interface Storage {
  /**
   * Takes content in as it streams by. The same content twice is one file.
   * @throws MumuError too_large, invalid_input (empty), disk_full, or what `inspect` throws.
   */
  put(source: Readable, options: PutOptions): Promise<StoredFile>;
  /** Takes a finished file of this machine in, as `put` does; the original stays. */
  putFile(path: string, content: Content): Promise<StoredFile>;
  /** What is known of a file, which counts as a use of it; undefined if it is not (or no longer) stored. */
  find(key: string): Promise<StoredFile | undefined>;
  /** The bytes from `start` to `end`, both included. @throws MumuError not_found */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /**
   * A path of this machine under which a job can read the file, inside `folder` where it had to be fetched.
   * The file must not be written to.
   * @throws MumuError not_found
   */
  localPath(key: string, folder: string): Promise<string>;
  hold(keys: Iterable<string>): Hold;
  /** Removes a file at once; one that is not stored is none to remove. */
  remove(key: string): Promise<void>;
  /** Removes what has expired and, over the cap, what was unused longest. */
  sweep(): Promise<void>;
}
