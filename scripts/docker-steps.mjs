// Does what `docker build` would do with the stages that only use Node, in a clean folder and without a container
// engine: the same COPY lines under the same .dockerignore, the same RUN lines. Then starts what came out.
//   node scripts/docker-steps.mjs [--keep]
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { main, ROOT, SetupError } from './lib/steps.mjs';

/** Stages whose commands touch nothing but /app: their RUN lines may run on this machine. */
const SAFE = new Set(['build']);
/** The stage whose /app is put together and started in the end. */
const LAST = 'runtime';

/** The Dockerfile as stages of instructions. */
function stages() {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').replaceAll(/\\\n\s*/g, ' ');
  const found = [];
  for (const line of text.split('\n')) {
    const match = /^([A-Z]+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, instruction, rest] = match;
    if (instruction === 'FROM') found.push({ name: / AS (\S+)$/.exec(rest)?.[1] ?? '', steps: [] });
    else found.at(-1)?.steps.push({ instruction, rest });
  }
  return found;
}

/** Whether .dockerignore lets a build see a path: it names everything and then what is let in. */
function createFilter() {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines[0] !== '*') throw new SetupError('.dockerignore was expected to begin with *.');
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  return (path) => {
    const name = relative(ROOT, path).split(sep).join('/');
    if (name.split('/').includes('node_modules')) return false;
    return allowed.some((one) => name === one || name.startsWith(`${one}/`) || one.startsWith(`${name}/`));
  };
}

function sh(command, cwd, env = {}) {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', command], {
      cwd,
      // As in a fresh container: no settings of this machine's but the path and the way to the registry.
      env: { PATH: process.env.PATH, HOME: cwd, ...registrySettings(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** How npm reaches its registry here is this machine's business, not the image's. */
function registrySettings() {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(?:https?_proxy|no_proxy|npm_config_registry|npm_config_userconfig|node_extra_ca_certs)$/i.test(name),
  );
  return Object.fromEntries(kept);
}

function copy(rest, from, app, filter) {
  const words = rest.split(/\s+/).filter((word) => !word.startsWith('--'));
  const target = words.pop() ?? '.';
  for (const source of words) {
    const path = join(from, source);
    if (!existsSync(path)) throw new SetupError(`COPY ${rest}: ${source} is not there.`);
    const goal = target === './' || target === '.' ? join(app, source.split('/').at(-1)) : join(app, target);
    mkdirSync(dirname(goal), { recursive: true });
    cpSync(path, goal, { recursive: statSync(path).isDirectory(), ...(filter ? { filter } : {}) });
  }
}

async function runStep(stage, { instruction, rest }, app, built, filter) {
  const label = `${stage}: ${instruction} ${rest.slice(0, 90)}`;
  if (instruction === 'COPY') {
    const from = /^--from=(\S+)\s/.exec(rest)?.[1];
    if (from !== undefined && !rest.includes('/app/')) return `${label}  (not done: outside /app)`;
    if (from === undefined) copy(rest, ROOT, app, filter);
    else copy(rest.replaceAll('/app/', ''), built.get(from), app);
    return label;
  }
  if (instruction !== 'RUN') return undefined;
  if (!SAFE.has(stage)) return `${label}  (not run: it changes the system around /app)`;
  const start = performance.now();
  const { code, output } = await sh(rest, app);
  if (code !== 0) throw new SetupError(`${label}\n${output.slice(-3000)}\nfailed with exit code ${code}.`);
  return `${label}  (${((performance.now() - start) / 1000).toFixed(1)} s)`;
}

await main(async () => {
  const root = mkdtempSync(join(tmpdir(), 'mumu-docker-'));
  const built = new Map();
  try {
    for (const { name, steps } of stages()) {
      if (!SAFE.has(name) && name !== LAST) {
        process.stdout.write(`${name}: not done (it needs its base image)\n`);
        continue;
      }
      const app = join(root, name);
      mkdirSync(app);
      built.set(name, app);
      for (const step of steps) {
        const line = await runStep(name, step, app, built, createFilter());
        if (line !== undefined) process.stdout.write(`${line}\n`);
      }
    }
    const app = built.get(LAST);
    const { output: size } = await sh('du -sm . | cut -f1', app);
    process.stdout.write(`${LAST}: /app takes ${size.trim()} MB\n`);
    for (const command of ['--version', 'packs build mini', 'doctor']) {
      const { code, output } = await sh(`node scripts/mumu.mjs ${command}`, app, {
        NODE_ENV: 'production',
        MUMU_DATA: join(root, 'data'),
      });
      process.stdout.write(`$ mumu ${command}\n${output}`);
      if (code !== 0) throw new SetupError(`mumu ${command} ended with ${code}.`);
    }
  } finally {
    if (process.argv.includes('--keep')) process.stdout.write(`kept: ${root}\n`);
    else rmSync(root, { recursive: true, force: true });
  }
});
