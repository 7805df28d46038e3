// npm run build: compile and bundle what changed.
import { build } from './lib/setup.mjs';
import { main, step } from './lib/steps.mjs';

await main(() => step('build', build));
