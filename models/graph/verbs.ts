/** Everything an architecture is written with. */
export * from '#models/graph/attention';
export * from '#models/graph/basic';
export * from '#models/graph/convolution';
export { Graph } from '#models/graph/graph';
export * from '#models/graph/linear';
export * from '#models/graph/norms';
export * from '#models/graph/recurrent';
export type { FloatSource, Value } from '#models/graph/types';
