// npm run bench: what the queue costs, what a user waits for with the mini pack, then (--full) the music decoder at its
// true dimensions.
import { join } from 'node:path';
import { setUp } from './lib/setup.mjs';
import { main, ROOT, run } from './lib/steps.mjs';

const arguments_ = process.argv.slice(2);
const full = arguments_.includes('--full');
const rest = arguments_.filter((argument) => argument !== '--full');
const bench = (file, args) =>
  run(process.execPath, ['--import', 'tsx', '--conditions=mumu-source', join(ROOT, 'bench', file), ...args], {
    quiet: false,
  });

await main(async () => {
  await setUp();
  await bench('queue.ts', []);
  await bench('mini.ts', rest);
  if (full) await bench('music-step.ts', ['small']);
});
