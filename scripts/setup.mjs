// node scripts/setup.mjs: everything npm start does before it starts. Nothing is left running.
import { setUp } from './lib/setup.mjs';
import { main } from './lib/steps.mjs';

await main(() => setUp());
