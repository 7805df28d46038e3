import { type Affine, fused } from '#models/checkpoint/affine';
import * as v from '#models/graph/verbs';

/** Self-attention of an encoder, without a mask: its linear layers and its heads. */
export interface SelfAttention {
  query: Affine;
  key: Affine;
  value: Affine;
  output: Affine;
  heads: number;
}

/** x [batch, time, width] -> [batch, time, width]; query, key and value are one matrix product. */
export function selfAttention(g: v.Graph, x: v.Value, attention: SelfAttention): v.Value {
  const { query, key, value, output, heads } = attention;
  const width = query.weight.dims[0] as number;
  const headDim = width / heads;
  return g.scope('attention', () => {
    const all = v.affine(g, x, fused([query, key, value]));
    // [batch, time, 3 width] -> 3 x [batch, heads, time, headDim]
    const apart = v.splitHeads(g, all, 3 * heads, headDim);
    const [q, k, val] = v.split(g, apart, 1, [heads, heads, heads]) as [v.Value, v.Value, v.Value];
    const mixed = v.attend(g, q, k, val, { scale: headDim ** -0.5 });
    return v.affine(g, v.joinHeads(g, mixed, heads, headDim), output);
  });
}

/** Two linear layers with an activation between them: x [..., width] -> [..., width]. */
export function feedForward(g: v.Graph, x: v.Value, up: Affine, down: Affine, activation: string): v.Value {
  return g.scope('feed_forward', () => v.affine(g, v.activation(g, activation, v.affine(g, x, up)), down));
}
