import type { Command } from 'commander';
import { loadConfig } from '#src/config';
import type { Check } from '#src/ops/doctor/check';

const SIGNS: Record<Check['state'], string> = { ok: 'ok     ', warning: 'warning', missing: 'MISSING' };
/** Exit code where something is missing on this machine. */
const MISSING = 3;

/** `mumu doctor`: what is there, what is missing, and what to do. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check tokens, ffmpeg, Redis, disk, pack and device, and say what to do')
    .option('--json', 'print JSON')
    .helpOption('--help', 'show this help')
    .action(async (given: { json?: boolean }) => {
      const { examine } = await import('#src/ops/doctor/examine');
      const checks = await examine(loadConfig());
      process.stdout.write(given.json === true ? `${JSON.stringify(checks)}\n` : table(checks));
      if (checks.some((check) => check.state === 'missing')) process.exitCode = MISSING;
    });
}

function table(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(({ name, state, found, advice }) => {
      const line = `${SIGNS[state]}  ${name.padEnd(width)}  ${found}\n`;
      return advice === undefined ? line : `${line}${' '.repeat(11 + width)}-> ${advice}\n`;
    })
    .join('');
}
