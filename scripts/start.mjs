// npm start: from a fresh clone to the local chat page. Arguments go on to `mumu chat`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setUp } from './lib/setup.mjs';
import { main, ROOT } from './lib/steps.mjs';

await main(async () => {
  process.stderr.write('mumu: setting up\n');
  const start = performance.now();
  await setUp();
  process.stderr.write(`mumu: set up in ${((performance.now() - start) / 1000).toFixed(1)} s, starting\n`);
});

// The app handles its own signals (it drains and saves); this parent only waits and passes on the exit code.
process.removeAllListeners('SIGINT');
process.removeAllListeners('SIGTERM');
const app = spawn(process.execPath, [join(ROOT, 'dist/src/cli/main.js'), 'chat', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.on('SIGINT', () => {});
process.on('SIGTERM', () => app.kill('SIGTERM'));
app.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
