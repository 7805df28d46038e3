import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askProgram } from '#src/policy/ask-program';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-program-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Says what it was told, once there is a file. */
const echoOnce = (file: string) => ['sh', '-c', `while [ ! -e ${file} ]; do sleep 0.05; done; cat`];
const many = <Value>(make: (place: number) => Value) => Array.from({ length: 8 }, (_, place) => make(place));

describe('programs that are asked', () => {
  it('serve everybody who waits long enough, also where others give up', async () => {
    const patience = () => AbortSignal.timeout(40_000);
    const hurry = new AbortController();
    const ask = (text: string, signal: AbortSignal, gate = 'open') =>
      askProgram(echoOnce(gate), text, folder, signal).catch((error: Error) => error.message);
    await writeFile(join(folder, 'at-once'), '');
    const busy = many((place) => ask(`busy ${place}`, patience()));
    const impatient = many((place) => ask(`impatient ${place}`, hurry.signal));
    const patient = many((place) => ask(`patient ${place}`, patience(), 'at-once'));
    hurry.abort(new Error('too slow'));
    expect(await Promise.all(impatient)).toEqual(many(() => 'too slow'));
    await writeFile(join(folder, 'open'), '');
    expect(await Promise.all(busy)).toEqual(many((place) => `busy ${place}`));
    expect(await Promise.all(patient)).toEqual(many((place) => `patient ${place}`));
    // All places are free again.
    expect(await Promise.all(many((place) => ask(`later ${place}`, patience())))).toEqual(
      many((place) => `later ${place}`),
    );
  });

  it('are not started for one who has given up before', async () => {
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(askProgram(['cat'], 'x', folder, signal)).rejects.toThrow('gone');
  });
});
