import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { probe } from '#inference/media/probe';
import { repositoryFolder } from '#src/config';
import { fixtureFolder, tone } from '#test/support/media-fixtures';
import { randomPack } from '#test/support/random-pack';

const fixtures = fixtureFolder();
let pack: Awaited<ReturnType<typeof randomPack>>;
let song: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  pack = await randomPack();
  song = tone(fixtures.path('song.wav'), { seconds: 2 });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await pack?.remove();
  fixtures.remove();
});

/** Starts the command line from the sources, on the pack of random weights. */
function start(args: string[], environment: NodeJS.ProcessEnv = {}) {
  const node = ['--conditions=mumu-source', '--import', 'tsx', join(repositoryFolder(), 'src/cli/main.ts')];
  const child = spawn(process.execPath, [...node, ...args], {
    cwd: repositoryFolder(),
    env: { ...process.env, MUMU_DATA: pack.folder, MUMU_PACK: 'random', MUMU_DEVICE: 'cpu', ...environment },
  });
  children.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  return { child, output, ended };
}

const run = (args: string[], environment?: NodeJS.ProcessEnv) => start(args, environment).ended;

/** What the issue promises of --json, and nothing that is not said there or in the docs. */
const printedSchema = z.strictObject({
  id: z.string(),
  text: z.string(),
  files: z.array(z.strictObject({ path: z.string(), mime: z.string(), seconds: z.number() })),
  seed: z.number().int(),
  pack: z.string(),
  timings: z.strictObject({
    decode: z.number(),
    encode: z.number(),
    language: z.number(),
    music: z.number(),
    total: z.number(),
  }),
  notes: z.array(z.string()).optional(),
  plan: z.array(z.unknown()).optional(),
});

// Each of these starts one or two processes, which takes its time on a busy machine.
describe('mumu', { timeout: 600_000 }, () => {
  it('answers about a file with one JSON object', async () => {
    const { code, stdout } = await run(['ask', song, 'What is this?', '--seed', '3', '--json']);
    expect(code).toBe(0);
    expect(printedSchema.parse(JSON.parse(stdout))).toMatchObject({ seed: 3, pack: 'random', files: [] });
  });

  it('remixes into the format of the ending and leaves nothing else', async () => {
    const folder = fixtures.path('out');
    await mkdir(folder);
    const out = join(folder, 'slow.mp3');
    const { code, stdout } = await run(['remix', song, '20 % slower', '--out', out]);
    expect(code).toBe(0);
    expect(stdout).toContain('slow.mp3 (audio/mpeg, 2.5 s');
    expect(await probe(out)).toMatchObject({ kind: 'audio', mime: 'audio/mpeg' });
    expect(await readdir(folder)).toEqual(['slow.mp3']);
  });

  it('ends at Ctrl-C with 130 and leaves nothing half-written', async () => {
    const folder = fixtures.path('interrupted');
    await mkdir(folder);
    const work = fixtures.path('work');
    await mkdir(work);
    const out = join(folder, 'long.wav');
    const started = start(['generate', 'a march', '--seconds', '60', '--out', out], { TMPDIR: work });
    while (!started.output.stderr.includes('composing')) await once(started.child.stderr, 'data');
    started.child.kill('SIGINT');
    const { code } = await started.ended;
    expect(code).toBe(130);
    expect(await readdir(folder)).toEqual([]);
    expect((await readdir(work)).filter((name) => name.startsWith('mumu-'))).toEqual([]);
  });

  it.each<[string, string[], number, RegExp]>([
    ['a missing file', ['describe', 'nowhere.mp3'], 2, /^mumu: nowhere\.mp3 does not exist\.\n$/],
    ['a wrong option', ['ask', 'x', '--top-p', '7'], 2, /--top-p takes a number/],
    ['no question', ['ask'], 2, /missing required argument/],
  ])('refuses %s', async (_name, args, expected, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(message);
  });

  it('names what is missing or damaged on this machine, with 3', async () => {
    const bare = await run(['describe', song], { PATH: '/nonexistent' });
    expect(bare.code).toBe(3);
    expect(bare.stderr).toMatch(/ffmpeg|ffprobe/);
    const damaged = join(pack.folder, 'packs', 'damaged');
    await mkdir(damaged);
    await writeFile(join(damaged, 'pack.json'), '{');
    const broken = await run(['ask', 'Why?', '--pack', 'damaged']);
    expect(broken.code).toBe(3);
    expect(broken.stderr).toMatch(/^mumu: The pack damaged is damaged/);
    const listed = await run(['packs', 'list']);
    expect(listed.stdout).toMatch(/^damaged +damaged/m);
    expect(listed.stdout).toMatch(/^random +ready +mumu-llama/m);
  });
});
