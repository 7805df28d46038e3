// npm run chaos -- [ROUNDS] [SEED]: kills bots, workers, engines and Redis at random while people go on asking, and
// counts what the platform got: exactly one result per command.
import { join } from 'node:path';
import { setUp } from './lib/setup.mjs';
import { main, ROOT, run } from './lib/steps.mjs';

await main(async () => {
  await setUp();
  const { code } = await run(
    process.execPath,
    [
      '--import',
      'tsx',
      '--conditions=mumu-source',
      join(ROOT, 'test/chaos/main.ts'),
      ...process.argv.slice(2),
    ],
    { quiet: false, check: false },
  );
  process.exitCode = code;
});
