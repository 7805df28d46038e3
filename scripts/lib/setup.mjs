// What a fresh clone needs before mumu runs: node modules, system programs, a build. Each step is skipped when
// its stamp says that nothing changed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, isFresh, ROOT, run, SetupError, step, writeStamp } from './steps.mjs';
import { ensurePrograms, RUNTIME } from './system-packages.mjs';

const MODULES_STAMP = 'node_modules/.mumu-stamp';
const BUILD_STAMP = 'dist/.mumu-stamp';

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node ${process.versions.node} is too old: mumu needs Node 20.19 or newer.`);
  }
  return 'kept';
}

async function installModules() {
  const want = fingerprint(['package-lock.json']);
  if (isFresh(MODULES_STAMP, want)) return 'kept';
  // No package runs scripts of its own (.npmrc): onnxruntime-node's would fetch CUDA libraries, though the CPU library is
  // in the package itself, and the others' only make sure of what is there.
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms (a registry may not carry
  // them all), where `npm install` takes the locked versions and leaves out what does not fit this machine.
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    env: { NODE_ENV: '' },
    label: 'npm install',
  });
  writeStamp(MODULES_STAMP, want);
  return 'installed';
}

/** Compiles the TypeScript and bundles the page, if any source changed since. */
export async function build() {
  const want = fingerprint([
    'src',
    'commands',
    'inference',
    'models',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'vite.config.ts',
  ]);
  if (isFresh(BUILD_STAMP, want)) return 'kept';
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    label: 'tsc',
  });
  if (existsSync(join(ROOT, 'vite.config.ts'))) {
    await run(
      process.execPath,
      [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
      {
        label: 'vite build',
      },
    );
  }
  writeStamp(BUILD_STAMP, want);
  return 'built';
}

/** Brings the clone to where `dist/src/cli/main.js` can run. */
export async function setUp(programs = RUNTIME) {
  await step('node version', checkNode);
  await step('node modules', installModules);
  await step(`system programs: ${programs.join(', ')}`, () => ensurePrograms(programs));
  await step('build', build);
}
