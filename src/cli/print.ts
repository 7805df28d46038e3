import { relative } from 'node:path';
import type { OneShotResult } from '#src/cli/one-shot';
import type { PackListing } from '#src/cli/packs';

/** Shows how a request ended: for people, or as one JSON object. */
export function printResult(result: OneShotResult, asJson: boolean): void {
  const { id, text, files, seed, pack, timings, notes, plan } = result;
  if (asJson) {
    const shown = {
      id,
      text,
      files,
      seed,
      pack,
      timings,
      ...(notes.length === 0 ? {} : { notes }),
      ...(plan.length === 0 ? {} : { plan }),
    };
    process.stdout.write(`${JSON.stringify(shown)}\n`);
    return;
  }
  const said = printable(text);
  const lines = said === '' ? [] : [said];
  for (const { description, by } of plan) {
    // The text of a remix usually names its steps already.
    if (!said.includes(description)) lines.push(`- ${description}${by === 'model' ? ' (new material)' : ''}`);
  }
  for (const file of files) {
    const length = file.seconds === undefined ? '' : `, ${file.seconds.toFixed(1)} s`;
    const near = relative(process.cwd(), file.path);
    lines.push(`${near.startsWith('..') ? file.path : near} (${file.mime}${length}, seed ${seed})`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** What a model writes goes to a terminal: without the characters that would steer it. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '').trim();
}

/** Packs in columns. */
export function printTable(listing: readonly PackListing[]): void {
  if (listing.length === 0) {
    process.stdout.write('There are no packs.\n');
    return;
  }
  const rows = listing.map(({ name, state, variant, dtype, bytes, problem }) => [
    name,
    state,
    variant ?? '',
    dtype ?? '',
    bytes === undefined ? '' : `${(bytes / 1e6).toFixed(0)} MB`,
    problem ?? '',
  ]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
}
