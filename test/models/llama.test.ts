import { languageChecks } from './support/parity-language.js';
import { testParity } from './support/parity-tests.js';

// Guards against: pairs of the rotary embedding in the wrong order, LoRA that is left out or added twice, the bias of
// Wo counted twice, gates or prefixes of the wrong head or layer, a cache that is off by one, norms' epsilon.
testParity('language model', languageChecks);
