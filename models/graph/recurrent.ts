import { reshaped, rowsReordered, stacked } from '#models/checkpoint/weights';
import { squeeze } from '#models/graph/basic';
import type { Graph } from '#models/graph/graph';
import type { FloatSource, Value } from '#models/graph/types';

/** The four tensors of one torch recurrent layer, in torch's own order of gates. */
export interface RecurrentWeights {
  inputWeight: FloatSource;
  hiddenWeight: FloatSource;
  inputBias: FloatSource;
  hiddenBias: FloatSource;
}

/** Blocks of `size` rows in another order. */
function gatesReordered(source: FloatSource, size: number, order: readonly number[]): FloatSource {
  const rows = order.flatMap((gate) => Array.from({ length: size }, (_, row) => gate * size + row));
  return rowsReordered(source, `gates[${order.join('')}]`, rows);
}

function recurrent(
  g: Graph,
  operator: 'RNN' | 'LSTM',
  x: Value,
  weights: RecurrentWeights,
  hidden: number,
  order: readonly number[],
): Value {
  const ordered = (source: FloatSource) =>
    order.length === 1 ? source : gatesReordered(source, hidden, order);
  const inputWeight = ordered(weights.inputWeight);
  const hiddenWeight = ordered(weights.hiddenWeight);
  const bias = stacked([ordered(weights.inputBias), ordered(weights.hiddenBias)]);
  const [states] = g.ops(
    operator,
    [
      x,
      g.weight(reshaped(inputWeight, [1, ...inputWeight.dims])),
      g.weight(reshaped(hiddenWeight, [1, ...hiddenWeight.dims])),
      g.weight(reshaped(bias, [1, ...bias.dims])),
    ],
    1,
    { attributes: { hidden_size: hidden } },
  );
  // [time, directions = 1, batch, hidden] -> [time, batch, hidden]
  return squeeze(g, states as Value, [1]);
}

/** One layer of torch.nn.RNN (tanh): [time, batch, in] -> [time, batch, hidden]. */
export function rnn(g: Graph, x: Value, weights: RecurrentWeights, hidden: number): Value {
  return recurrent(g, 'RNN', x, weights, hidden, [0]);
}

/**
 * One layer of torch.nn.LSTM: [time, batch, in] -> [time, batch, hidden]. torch keeps its gates as input, forget,
 * cell, output; ONNX wants input, output, forget, cell.
 */
export function lstm(g: Graph, x: Value, weights: RecurrentWeights, hidden: number): Value {
  return recurrent(g, 'LSTM', x, weights, hidden, [0, 3, 1, 2]);
}
