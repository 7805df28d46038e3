// The Python environment of training/: only the tests and training itself need it, mumu does not.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, has, isFresh, ROOT, run, SetupError, writeStamp } from './steps.mjs';

const STAMP = '.venv/.mumu-stamp';
/** The interpreter inside the environment. */
export const PYTHON = join(ROOT, '.venv/bin/python');

/**
 * Makes .venv and installs the training package with its test tools into it.
 * @throws {SetupError} when no fitting Python is there or pip fails
 */
export async function ensureTrainingEnv() {
  const want = fingerprint(['training/pyproject.toml']);
  if (existsSync(PYTHON) && isFresh(STAMP, want)) return 'kept';
  const python = ['python3.11', 'python3.12', 'python3.13', 'python3'].find(has);
  if (!python) throw new SetupError('Python 3.11 or newer is missing on this machine.');
  if (!existsSync(PYTHON)) await run(python, ['-m', 'venv', join(ROOT, '.venv')]);
  // torch first and pinned: a looser requirement pulls gigabytes of CUDA libraries onto a machine without a GPU.
  await run(PYTHON, ['-m', 'pip', 'install', '-q', 'torch==2.13.0']);
  await run(PYTHON, ['-m', 'pip', 'install', '-q', '-e', 'training[dev]']);
  writeStamp(STAMP, want);
  return 'installed';
}
