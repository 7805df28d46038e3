// npm test: sets up what is missing, then formatter, linter, types, vitest and pytest. The last line counts
// everything: `N passed, N failed, N skipped`.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setUp } from './lib/setup.mjs';
import { main, ROOT, run, SetupError, step } from './lib/steps.mjs';
import { TESTING } from './lib/system-packages.mjs';
import { ensureTrainingEnv, PYTHON } from './lib/training-env.mjs';

const REPORTS = join(ROOT, 'test-output');
const totals = { passed: 0, failed: 0, skipped: 0 };
const bin = (name) => join(ROOT, 'node_modules/.bin', name);

/** A check that passes or fails as a whole: one test. */
async function check(name, command, args) {
  const start = performance.now();
  const { code, output } = await run(command, args, { check: false });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (code === 0) totals.passed += 1;
  else totals.failed += 1;
  process.stderr.write(`  ${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)\n`);
  if (code !== 0) process.stderr.write(`${output.slice(-6000)}\n`);
}

/** A suite that reports its own counts; one that dies before it can report counts as one failure. */
async function suite(name, command, args, readCounts, env = {}) {
  process.stderr.write(`\n${name}\n`);
  const start = performance.now();
  const { code } = await run(command, args, { check: false, quiet: false, env });
  const counts = readCounts();
  if (!counts || (code !== 0 && counts.failed === 0)) totals.failed += 1;
  for (const key of Object.keys(totals)) totals[key] += counts?.[key] ?? 0;
  process.stderr.write(`  ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}

function vitestCounts() {
  const file = join(REPORTS, 'vitest.json');
  if (!existsSync(file)) return undefined;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
}

function pytestCounts() {
  const file = join(REPORTS, 'pytest.xml');
  if (!existsSync(file)) return undefined;
  const attributes = /<testsuite [^>]*>/.exec(readFileSync(file, 'utf8'))?.[0] ?? '';
  const count = (name) => Number(new RegExp(`${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  return { passed: count('tests') - failed - count('skipped'), failed, skipped: count('skipped') };
}

await main(async () => {
  process.stderr.write('mumu: setting up for the tests\n');
  await setUp(TESTING);
  let training = true;
  try {
    await step('training environment', ensureTrainingEnv);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    training = false;
    process.stderr.write(`\n  ! ${error.message}\n`);
    process.stderr.write(
      '  ! THE TRAINING TESTS AND THE PARITY TESTS ARE SKIPPED: there is no Python environment.\n\n',
    );
    if (process.env.CI) {
      process.stderr.write('  ! CI is set, so that counts as a failure.\n');
      totals.failed += 1;
    } else {
      totals.skipped += 1;
    }
  }
  rmSync(REPORTS, { recursive: true, force: true });
  mkdirSync(REPORTS, { recursive: true });

  process.stderr.write('\nchecks\n');
  await check('biome (format and lint)', bin('biome'), ['check', '--error-on-warnings', '.']);
  await check('tsc (types)', bin('tsc'), ['--noEmit']);
  if (existsSync(join(ROOT, 'src/page/tsconfig.json'))) {
    await check('tsc (types of the page)', bin('tsc'), ['--noEmit', '-p', 'src/page']);
  }
  if (training) {
    await check('ruff (lint)', PYTHON, ['-m', 'ruff', 'check', 'training']);
    await check('ruff (format)', PYTHON, ['-m', 'ruff', 'format', '--check', 'training']);
    await check('mypy (types)', PYTHON, [
      '-m',
      'mypy',
      '--config-file',
      'training/pyproject.toml',
      'training/src',
    ]);
  }

  await suite(
    'vitest',
    bin('vitest'),
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${join(REPORTS, 'vitest.json')}`],
    vitestCounts,
    training ? { MUMU_PYTHON: PYTHON } : {},
  );
  if (training) {
    await suite(
      'pytest',
      PYTHON,
      ['-m', 'pytest', '-q', 'training/tests', `--junitxml=${join(REPORTS, 'pytest.xml')}`],
      pytestCounts,
      { OMP_NUM_THREADS: '2' },
    );
  }
});

process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(totals.failed > 0 ? 1 : 0);
