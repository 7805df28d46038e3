import { adapterChecks, encoderChecks } from './support/parity-encoders.js';
import { testParity } from './support/parity-tests.js';

// Guards against: weight norm over the wrong axis, the positional convolution padded or trimmed on the wrong side (even
// and odd kernels), layer norm over time instead of channels, norms' epsilons (the convolutions keep their own), the
// erf and the tanh GELU taken for each other, the last hidden state with or without its norm, today's and yesterday's
// names; in the adapters an RNN fed batch first, softmax over the wrong axis, the class token in the mean of positions.
testParity('encoders and adapters', [...encoderChecks, ...adapterChecks]);
