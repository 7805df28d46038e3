import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkTarget, deliver, formatOf } from '#src/cli/output-file';

let folder: string;
let source: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-out-'));
  source = join(folder, 'result.bin');
  await writeFile(source, 'music');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('formatOf', () => {
  it('follows the ending', () => {
    expect(formatOf('a.b/Song.MP3')).toBe('mp3');
    expect(() => formatOf('song')).toThrow(/song has to end in one of \.wav, \.mp3/);
    expect(() => formatOf('song.mid')).toThrow(/has to end/);
  });
});

describe('deliver', () => {
  it('replaces what was asked for by name', async () => {
    const target = join(folder, 'waltz.wav');
    await writeFile(target, 'old');
    expect(await deliver(source, target, true)).toBe(target);
    expect(await readFile(target, 'utf8')).toBe('music');
  });

  it('never replaces by a name of its own', async () => {
    const target = join(folder, 'waltz.wav');
    await writeFile(target, 'old');
    await writeFile(join(folder, 'waltz-2.wav'), 'older');
    expect(await deliver(source, target, false)).toBe(join(folder, 'waltz-3.wav'));
    expect(await readFile(target, 'utf8')).toBe('old');
    expect((await readdir(folder)).sort()).toEqual(['result.bin', 'waltz-2.wav', 'waltz-3.wav', 'waltz.wav']);
  });

  it('leaves nothing behind when it fails', async () => {
    await mkdir(join(folder, 'waltz.wav'));
    await expect(deliver(source, join(folder, 'waltz.wav'), true)).rejects.toThrow();
    expect((await readdir(folder)).sort()).toEqual(['result.bin', 'waltz.wav']);
  });
});

describe('checkTarget', () => {
  it('says what is wrong before the work', async () => {
    await expect(checkTarget(join(folder, 'missing', 'a.wav'))).rejects.toThrow(
      /folder of .* does not exist/,
    );
    await expect(checkTarget(folder)).rejects.toThrow(/is a folder/);
    await checkTarget(join(folder, 'a.wav'));
  });
});
