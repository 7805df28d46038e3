import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe } from 'vitest';

const run = promisify(execFile);

/** The interpreter of the training package: MUMU_PYTHON, or the one set-up puts beside the sources. */
export const PYTHON = process.env.MUMU_PYTHON ?? '.venv/bin/python';
export const hasPython = existsSync(PYTHON);

const WHY = `the training package's Python is not there (${PYTHON}; set MUMU_PYTHON or run the training set-up)`;

/**
 * A group of tests against PyTorch. Without the training environment it is skipped, and says so; on CI, where a
 * skipped comparison would go unnoticed, it fails instead.
 */
export function describeWithPython(name: string, body: () => void): void {
  if (hasPython) {
    describe(name, body);
    return;
  }
  if (process.env.CI) throw new Error(`${name}: ${WHY}`);
  console.warn(`SKIPPED ${name}: ${WHY}`);
  describe.skip(`${name} (${WHY})`, body);
}

/** Runs a module of the training package and returns what it printed; throws with its stderr when it fails. */
export async function runPython(module: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(PYTHON, ['-m', module, ...args], {
    env: { ...process.env, PYTHONPATH: 'training/src', OMP_NUM_THREADS: '1' },
    maxBuffer: 1 << 26,
  });
  return stdout;
}
