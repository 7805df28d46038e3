import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MumuError, toMumuError } from '#contracts/errors';
import { exitOnSignals } from '#src/cli/interrupt';
import { createProgram, isPrinted, isUsage } from '#src/cli/program';
import { isServing } from '#src/cli/serving';
import { repositoryFolder } from '#src/config';

/** Entry of everything: `mumu ...`. Exit codes: 0 done, 1 ours, 2 input, 3 machine, 130 interrupted. */
async function main(): Promise<void> {
  // Readers of our output that go away early (`mumu ... | head`) are no failure.
  process.stdout.on('error', () => process.exit(0));
  if (!isServing(process.argv[2])) exitOnSignals();
  try {
    await createProgram(version()).parseAsync();
  } catch (thrown) {
    if (isPrinted(thrown)) return;
    if (isUsage(thrown)) {
      process.exitCode = 2;
      return;
    }
    const error = toMumuError(thrown);
    process.stderr.write(`mumu: ${error.message}\n`);
    if (error.code === 'internal') process.stderr.write(`${detailOf(thrown)}\n`);
    process.exitCode = error.exitCode;
  }
}

function version(): string {
  const text = readFileSync(join(repositoryFolder(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A fault of ours is shown whole: whoever reads it is at the machine it happened on. */
function detailOf(thrown: unknown): string {
  const source = thrown instanceof MumuError ? (thrown.cause ?? thrown) : thrown;
  return source instanceof Error ? (source.stack ?? source.message) : String(source);
}

await main();
// What was given up while stopping may still hold handles; everything that matters is written by now.
if (isServing(process.argv[2])) process.exit();
