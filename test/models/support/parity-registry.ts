import type { ParityCheck } from './parity-case.js';
import { adapterChecks, encoderChecks } from './parity-encoders.js';
import { languageChecks } from './parity-language.js';
import { musicChecks } from './parity-music.js';

/** Every comparison with PyTorch there is: the tests and `npm run parity` run the same ones. */
export const PARITY_CHECKS: readonly ParityCheck[] = [
  ...languageChecks,
  ...encoderChecks,
  ...adapterChecks,
  ...musicChecks,
];
