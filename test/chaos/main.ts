/** npm run chaos -- [ROUNDS] [SEED]: harm of every kind, then the counts. Exit code 1 if anything was lost or doubled. */
import { randomInt } from 'node:crypto';
import { runChaos } from '#test/chaos/chaos';

const rounds = Number(process.argv[2] ?? 20);
const seed = Number(process.argv[3] ?? randomInt(2 ** 31));
const began = performance.now();
const report = await runChaos({
  rounds,
  seed,
  patience: 6_000,
  settle: 300_000,
  log: process.env.MUMU_LOG ?? 'silent',
  onRound: (round, what) => {
    if (process.stderr.isTTY || round % 10 === 0)
      process.stderr.write(`round ${round} of ${rounds}: ${what}\n`);
  },
});
const print = (line: string) => process.stdout.write(`${line}\n`);
print(`${rounds} rounds, seed ${seed}, ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
for (const [title, counts] of [
  ['What was done', report.deeds],
  ['What came of it', report.outcomes],
] as const) {
  print(`| ${title} | count |\n|---|---|`);
  for (const [name, count] of Object.entries(counts)) print(`| ${name} | ${count} |`);
  print('');
}
for (const problem of report.problems) print(`PROBLEM: ${problem}`);
print(
  report.problems.length === 0
    ? 'Every command has exactly one result.'
    : `${report.problems.length} problems: see above.`,
);
process.exit(report.problems.length === 0 ? 0 : 1);
