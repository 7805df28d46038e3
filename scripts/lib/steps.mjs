// Steps of the set-up: each says what it does and how long it took. Node's own modules only, because this runs
// before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A failure that is the machine's, not the program's: one plain sentence, exit code 3. */
export class SetupError extends Error {}

const children = new Set();
let interrupted = false;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    // The terminal sends Ctrl-C to the whole group; a plain kill reaches only us, so pass it on.
    interrupted = true;
    for (const child of children) child.kill(signal);
    if (children.size === 0) process.exit(130);
  });
}

/**
 * Runs a command to its end. With `quiet` its output is kept and shown only when it fails.
 * Resolves to {code, output}; rejects with SetupError when `check` (the default) and the code is not 0.
 */
export function run(command, args, { cwd = ROOT, env = {}, quiet = true, check = true, label } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    children.add(child);
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => {
      children.delete(child);
      reject(new SetupError(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      children.delete(child);
      if (interrupted) {
        process.stderr.write('\nInterrupted. Run the same command again to go on.\n');
        process.exit(130);
      }
      const exit = code ?? (signal ? 1 : 0);
      if (check && exit !== 0) {
        if (quiet) process.stderr.write(`${output.slice(-4000)}\n`);
        reject(new SetupError(`${label ?? [command, ...args].join(' ')} failed with exit code ${exit}.`));
      } else {
        resolve({ code: exit, output });
      }
    });
  });
}

/** Is there a program of this name on the PATH? */
export function has(program) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder && existsSync(join(folder, program)));
}

/** Does one step, printing its name and then its time. A step that returns 'kept' had nothing to do. */
export async function step(name, action) {
  const start = performance.now();
  const tty = process.stderr.isTTY;
  if (tty) process.stderr.write(`  … ${name}`);
  const outcome = await action();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stderr.write(
    `${tty ? '\r\x1b[K' : ''}  ✓ ${name} (${outcome === 'kept' ? 'up to date' : `${seconds} s`})\n`,
  );
}

/** SHA-256 over the names and contents of files and folders (relative to the root). */
export function fingerprint(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const full = join(ROOT, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) {
      for (const entry of readdirSync(full).sort()) {
        if (entry === 'node_modules' || entry === 'dist' || entry.startsWith('.')) continue;
        visit(join(path, entry));
      }
    } else {
      hash.update(relative(ROOT, full)).update('\0').update(readFileSync(full)).update('\0');
    }
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}

/** Has `stamp` been written for this fingerprint? */
export function isFresh(stamp, value) {
  const file = join(ROOT, stamp);
  return existsSync(file) && readFileSync(file, 'utf8') === value;
}

/** Writes a stamp: only after its step has ended well, so that an interrupted step is done again. */
export function writeStamp(stamp, value) {
  const file = join(ROOT, stamp);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, value);
}

/** Runs a script's main: failures of the machine become one sentence and exit code 3. */
export async function main(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nmumu: ${error.message}\n`);
    process.exit(3);
  }
}
