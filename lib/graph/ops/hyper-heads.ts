/** The heads of a hypermodel: one trunk layer, then many linear heads that emit parameters. */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

export interface HyperHeadsArgs extends Named {
  /** [N, d]. */
  u: Value;
  /** [hid, d] */
  w1: Value;
  /** [hid] */
  b1: Value;
  /** Weights [out_i, hid] and biases [out_i]. */
  heads: readonly { w: Value; b: Value }[];
  outputScale?: number;
}

/** y_i = outputScale * (tanh(u W1^T + b1) W2_i^T + b2_i); f32 [N, out_i] for each head. */
export function hyperHeads(g: Graph, { u, w1, b1, heads, outputScale = 1, name }: HyperHeadsArgs): Value[] {
  return g.node('hyper_heads', { u, w1, b1, w2: heads.map((h) => h.w), b2: heads.map((h) => h.b) }, { output_scale: outputScale }, { name }).all('y');
}

export const hyperHeadsGradients: GradientRules = {
  hyper_heads: {
    outputs: ['y'],
    operands: ['u', 'w1', 'b1', 'w2', 'b2'],
    apply({ g, node, grad }) {
      const dy = node.all('y').map((y, i) => grad('y', i) ?? g.node('fill', {}, { value: 0 }, { shapes: { y: y.shape } }).output('y'));
      const back = g.node('hyper_heads_grad', { u: node.input('u'), w1: node.input('w1'), t: node.output('t'), w2: node.inputs.get('w2'), dy }, { output_scale: node.attrs['output_scale'] });
      return { u: back.output('du'), w1: back.output('dw1'), b1: back.output('db1'), w2: back.all('dw2'), b2: back.all('db2') };
    },
  },
};
