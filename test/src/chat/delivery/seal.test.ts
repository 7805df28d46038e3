import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deriveKey, loadSecret, Sealer } from '#src/chat/delivery/seal';

const secrets = { files: [{ name: 'a.mp3', reference: 'https://cdn.test/a?signature=hush' }], token: 'hush' };

describe('seals', () => {
  it('open under the same secret, for the same request only', () => {
    const sealed = new Sealer('one').seal('id-1', secrets);
    expect(new Sealer('one').unseal('id-1', sealed)).toEqual(secrets);
    expect(new Sealer('two').unseal('id-1', sealed)).toBeUndefined();
    expect(new Sealer('one').unseal('id-2', sealed)).toBeUndefined();
    expect(new Sealer('one').unseal('id-1', 'no seal')).toBeUndefined();
    const changed = Buffer.from(sealed, 'base64');
    changed[40] = (changed[40] ?? 0) ^ 1;
    expect(new Sealer('one').unseal('id-1', changed.toString('base64'))).toBeUndefined();
  });

  it('hide what they hold, and are never the same twice', () => {
    const sealer = new Sealer('one');
    const [first, second] = [sealer.seal('id', secrets), sealer.seal('id', secrets)];
    expect(first).not.toBe(second);
    expect(Buffer.from(first, 'base64').toString('latin1')).not.toContain('hush');
    expect(deriveKey('one', 'links').equals(deriveKey('one', 'deliveries'))).toBe(false);
  });
});

describe('the secret', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-secret-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is the operator’s, or is drawn once for everyone who starts at the same time', async () => {
    expect(await loadSecret({ secret: 'mine', dataFolder: folder })).toBe('mine');
    const config = { secret: undefined, dataFolder: join(folder, 'data') };
    const drawn = await Promise.all([1, 2, 3, 4].map(() => loadSecret(config)));
    expect(new Set(drawn).size).toBe(1);
    expect(drawn[0]).toMatch(/^[0-9a-f]{64}$/);
    const path = join(config.dataFolder, 'secret');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(drawn[0]);
  });

  it('that cannot be kept says what to do', async () => {
    const config = { secret: undefined, dataFolder: '/dev/null/data' };
    await expect(loadSecret(config)).rejects.toMatchObject({
      code: 'missing_dependency',
      message: expect.stringContaining('MUMU_SECRET'),
    });
  });
});
