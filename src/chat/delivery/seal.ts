import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { remoteFileSchema, type Secrets } from '#src/chat/delivery/types';
import type { Config } from '#src/config';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const secretsSchema = z.object({ files: z.array(remoteFileSchema), token: z.string().optional() });

/**
 * The operator's secret: MUMU_SECRET, or one that is drawn once and kept in the data folder, readable by its owner
 * only. Bots on several machines need MUMU_SECRET, or they cannot read each other's seals.
 * @throws MumuError missing_dependency if the file can be neither read nor written.
 */
export async function loadSecret(config: Pick<Config, 'secret' | 'dataFolder'>): Promise<string> {
  if (config.secret !== undefined) return config.secret;
  const path = join(config.dataFolder, 'secret');
  const drawn = `${path}.${randomUUID()}`;
  try {
    const found = await readSecret(path);
    if (found !== undefined) return found;
    await mkdir(config.dataFolder, { recursive: true });
    // Whole under another name first: of two processes that start at once one wins, and nobody reads half of it.
    await writeFile(drawn, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });
    await link(drawn, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const kept = await readSecret(path);
    if (kept !== undefined) return kept;
    throw new Error('the secret is gone as soon as it was written');
  } catch (cause) {
    throw new MumuError(
      'missing_dependency',
      'The secret of the data folder can be neither read nor written: mend its rights, or set MUMU_SECRET.',
      { cause },
    );
  } finally {
    await rm(drawn, { force: true }).catch(() => undefined);
  }
}

async function readSecret(path: string): Promise<string | undefined> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    return secret === '' ? undefined : secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A key for one purpose, so that what is made for one use of the secret is worth nothing in another. 32 bytes. */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'mumu', purpose, 32));
}

/** Seals what a platform gave for a while, bound to its request: AES-256-GCM, nonce + tag + text in base64. */
export class Sealer {
  private readonly key: Buffer;

  constructor(secret: string) {
    this.key = deriveKey(secret, 'deliveries');
  }

  seal(id: string, secrets: Secrets): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(id));
    const text = Buffer.concat([cipher.update(JSON.stringify(secrets), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
  }

  /** Undefined for what was sealed by another secret or for another request, or was changed. */
  unseal(id: string, sealed: string): Secrets | undefined {
    try {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const text = Buffer.concat([
        decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)),
        decipher.final(),
      ]);
      const { files, token } = secretsSchema.parse(JSON.parse(text.toString('utf8')));
      return { files, ...(token === undefined ? {} : { token }) };
    } catch {
      return undefined;
    }
  }
}
