#!/usr/bin/env node
// npx mumu: the command line after set-up.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const entry = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/src/cli/main.js');
if (!existsSync(entry)) {
  process.stderr.write('mumu: not set up yet: run `npm start` (or `node scripts/setup.mjs`) once.\n');
  process.exit(3);
}
await import(pathToFileURL(entry).href);
