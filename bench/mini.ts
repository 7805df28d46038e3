/**
 * What a user waits for with the mini pack, on this machine: start-up to ready, request to first text, a whole
 * answer, 10 s of music, exact edits, peak memory; and the same checkpoint under PyTorch in the same run, as ratios.
 *
 *   npm run bench            (tsx --conditions=mumu-source bench/mini.ts [--runs N] [--no-python])
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { EngineFile, EngineJob, EngineResult } from '#contracts/engine';
import type { Request } from '#contracts/request';
import { type EngineClient, startEngine } from '#inference/engine-client';
import { buildPack } from '#models/packs/build';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SONG = join(ROOT, 'examples/waltz-violin-slow.mp3');
const { values: flags } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, 'no-python': { type: 'boolean', default: false } },
});
const runs = Number(flags.runs);
const folder = mkdtempSync(join(tmpdir(), 'mumu-bench-'));

const median = (values: number[]): number =>
  values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
const rows: [string, string][] = [];
const row = (name: string, value: string) => {
  rows.push([name, value]);
  process.stderr.write(`  ${name}: ${value}\n`);
};

/** Most memory a process ever held, MiB; Linux only. */
function peakMemory(pid: number | null): number {
  const status = `/proc/${pid}/status`;
  if (pid === null || !existsSync(status)) return Number.NaN;
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? Number.NaN) / 1024;
}

let count = 0;
function job(
  request: Pick<Request, 'command'> & { text: string; seconds?: number },
  file?: string,
): EngineJob {
  count += 1;
  const workFolder = join(folder, `job-${count}`);
  mkdirSync(workFolder);
  const files: EngineFile[] = file
    ? [
        {
          path: file,
          // A key of its own each time: no features from the cache, unless a test wants them.
          key: createHash('sha256').update(`${file} ${count}`).digest('hex'),
          kind: 'audio',
          name: 'song.mp3',
        },
      ]
    : [];
  const seed = count;
  const base = { id: `bench-${count}`, conversation: 'bench', user: 'bench', text: request.text, files: [] };
  const options = {
    seed,
    format: 'wav' as const,
    ...(request.seconds === undefined ? {} : { seconds: request.seconds }),
  };
  const whole = { ...base, options, command: request.command, action: 'new' } as Request;
  return { request: whole, files, workFolder, seed };
}

async function timed(
  engine: EngineClient,
  work: EngineJob,
): Promise<{ first: number; total: number; result: EngineResult }> {
  const start = performance.now();
  let first = Number.NaN;
  const result = await engine.run(work, {
    onProgress: (progress) => {
      if (progress.type === 'text' && Number.isNaN(first)) first = performance.now() - start;
    },
  });
  return { first: first / 1000, total: (performance.now() - start) / 1000, result };
}

async function series(engine: EngineClient, make: () => EngineJob) {
  await timed(engine, make());
  const all = [];
  for (let i = 0; i < runs; i++) all.push(await timed(engine, make()));
  return {
    first: median(all.map((one) => one.first)),
    total: median(all.map((one) => one.total)),
    music: median(all.map((one) => one.result.timings.music / 1000)),
    language: median(all.map((one) => one.result.timings.language / 1000)),
  };
}

try {
  process.stderr.write('mini pack\n');
  const packFolder = join(folder, 'packs/mini');
  let start = performance.now();
  await buildPack(join(ROOT, 'models/mini'), packFolder);
  row('building the pack from its checkpoint, s', ((performance.now() - start) / 1000).toFixed(1));

  start = performance.now();
  const engine = startEngine({ packFolder, device: 'cpu', cacheFolder: join(folder, 'cache') });
  await engine.ready();
  row('start-up to ready, s', ((performance.now() - start) / 1000).toFixed(2));

  const ask = await series(engine, () => job({ command: 'ask', text: 'What is the main instrument?' }, SONG));
  row('request to first text about a 20 s song, s', ask.first.toFixed(2));
  row('the whole answer, s', ask.total.toFixed(2));
  const music = await series(engine, () =>
    job({
      command: 'generate',
      text: 'a fast happy rock piece with electric guitar at 140 bpm',
      seconds: 10,
    }),
  );
  row('10 s of music, request to file, s', music.total.toFixed(2));
  row('  of it the music decoder and codec, s', music.music.toFixed(2));
  row('real-time factor (below 1 is faster than it plays)', (music.total / 10).toFixed(3));
  const edit = await series(engine, () =>
    job({ command: 'remix', text: '20 % slower and a whole tone up' }, SONG),
  );
  row('exact remix of a 20 s song, s', edit.total.toFixed(2));
  const memory = peakMemory(engine.pid);
  row('peak memory of the engine, MiB', memory.toFixed(0));
  await engine.close();

  const python = process.env.MUMU_PYTHON ?? join(ROOT, '.venv/bin/python');
  if (!flags['no-python'] && existsSync(python)) {
    process.stderr.write('\nthe same checkpoint under PyTorch and transformers\n');
    const output = execFileSync(
      python,
      ['-m', 'mumu_training.bench_reference', '--checkpoint', join(ROOT, 'models/mini'), '--threads', '2'],
      { env: { ...process.env, PYTHONPATH: join(ROOT, 'training/src') }, encoding: 'utf8' },
    );
    const other = JSON.parse(output.trim().split('\n').at(-1) as string) as Record<string, number>;
    row('PyTorch: 10 s of music, s', (other.music_10s_seconds as number).toFixed(2));
    row('PyTorch: milliseconds a token, cached', (other.token_ms_cached as number).toFixed(2));
    row(
      'PyTorch: milliseconds a token, as published (no cache)',
      (other.token_ms_uncached as number).toFixed(2),
    );
    row('PyTorch: peak memory, MiB', (other.peak_mib as number).toFixed(0));
    row(
      'ratio: music, PyTorch / mumu',
      `${((other.music_10s_seconds as number) / music.music).toFixed(2)} x`,
    );
    row('ratio: memory, PyTorch / mumu', `${((other.peak_mib as number) / memory).toFixed(2)} x`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

process.stdout.write('\n| measure | value |\n|---|---|\n');
for (const [name, value] of rows) process.stdout.write(`| ${name.trim()} | ${value} |\n`);
