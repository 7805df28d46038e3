import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { FileLinks } from '#src/app/services';
import { deriveKey } from '#src/chat/delivery/seal';
import { storageKeySchema } from '#src/storage/storage';

/** How long a link works, milliseconds. */
const LIFETIME = 24 * 3600_000;

const querySchema = z.object({
  name: z.string().min(1).max(255),
  type: z.string().max(127),
  /** Milliseconds since 1970. */
  until: z.string().regex(/^\d{1,15}$/),
  signature: z.string().max(100),
});

/** A file that a link gives out. */
export interface LinkedFile {
  key: string;
  name: string;
  mime: string;
}

/**
 * Addresses of files that are too large for a platform. They are signed, so nobody makes one up; they name the file,
 * its type and their end, so nothing has to be remembered; and they end after a day.
 */
export class SignedLinks implements FileLinks {
  private readonly key: Buffer;

  constructor(
    secret: string,
    /** Without a slash at its end; undefined: no links. */
    private readonly publicUrl: string | undefined,
    private readonly now: () => number = Date.now,
  ) {
    this.key = deriveKey(secret, 'links');
  }

  link(file: LinkedFile): string | undefined {
    if (this.publicUrl === undefined) return undefined;
    const until = String(this.now() + LIFETIME);
    const query = new URLSearchParams({
      name: file.name,
      type: file.mime,
      until,
      signature: this.sign(file, until).toString('base64url'),
    });
    return `${this.publicUrl}/files/${file.key}?${query}`;
  }

  /**
   * What an address gives out.
   * @throws MumuError not_found for one that was not signed by us, or has ended.
   */
  check(key: string, query: unknown): LinkedFile {
    const parsed = querySchema.safeParse(query);
    if (!parsed.success || !storageKeySchema.safeParse(key).success) throw unknownLink();
    const { name, type: mime, until, signature } = parsed.data;
    const file = { key, name, mime };
    const expected = this.sign(file, until);
    const given = Buffer.from(signature, 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw unknownLink();
    if (Number(until) < this.now()) {
      throw new MumuError('not_found', 'This link has ended: links work for a day. Ask for the file again.');
    }
    return file;
  }

  private sign({ key, name, mime }: LinkedFile, until: string): Buffer {
    return createHmac('sha256', this.key)
      .update(JSON.stringify([key, name, mime, until]))
      .digest();
  }
}

function unknownLink(): MumuError {
  return new MumuError('not_found', 'This link leads to no file.');
}
