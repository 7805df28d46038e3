/**
 * `npm run parity [name...]`: compares every graph with PyTorch on random weights and prints one line per
 * comparison. Needs the training package's Python (MUMU_PYTHON, or .venv/bin/python).
 */
import { makeCases } from './support/parity-case.js';
import { PARITY_CHECKS } from './support/parity-registry.js';

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !PARITY_CHECKS.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(
    `No such comparison: ${unknown.join(', ')}. There are ${PARITY_CHECKS.map((check) => check.name).join(', ')}.`,
  );
  process.exit(2);
}
const checks = PARITY_CHECKS.filter((check) => wanted.length === 0 || wanted.includes(check.name));
const cases = await makeCases(checks.map((check) => check.name));
try {
  console.log('| graph | comparisons | largest relative difference | at | mean | tokens or codes equal |');
  console.log('|---|---|---|---|---|---|');
  for (const check of checks) {
    const results = await check.compare(cases.get(check.name));
    const worst = results.reduce((a, b) => (b.largest > a.largest ? b : a));
    const mean = results.reduce((total, result) => total + result.mean, 0) / results.length;
    const equal = results.reduce((total, result) => total + (result.tokens?.equal ?? 0), 0);
    const of = results.reduce((total, result) => total + (result.tokens?.of ?? 0), 0);
    const tokens = of > 0 ? `${equal} of ${of}` : '';
    console.log(
      `| ${check.name} | ${results.length} | ${worst.largest.toExponential(1)} | ${worst.what} | ${mean.toExponential(1)} | ${tokens} |`,
    );
  }
} finally {
  await cases.close();
}
