/** Pointwise non-linearities, alone and as the gate of T5 v1.1's feed-forward layer (Shazeer 2020, arXiv:2002.05202). */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Rounded } from './arguments.ts';

/** `gelu_new` is the tanh form of GELU. */
export type Activation = 'relu' | 'gelu_new' | 'tanh' | 'sigmoid';

const KIND: Record<Activation, number> = { relu: 0, gelu_new: 1, tanh: 2, sigmoid: 3 };

/** f(x). */
export function activation(g: Graph, { x, kind, dtype = 'f32', name }: { x: Value; kind: Activation } & Rounded): Value {
  return g.node('activation', { x }, { kind: KIND[kind], dtype }, { name }).output('y');
}

/** f(a) * b. */
export function gatedActivation(g: Graph, { a, b, kind, dtype = 'f32', name }: { a: Value; b: Value; kind: Activation } & Rounded): Value {
  return g.node('gated_activation', { a, b }, { kind: KIND[kind], dtype }, { name }).output('y');
}

export const activationGradients: GradientRules = {
  activation: {
    outputs: ['y'],
    operands: ['x'],
    apply: ({ g, node, grad }) => ({ x: g.node('activation_grad', { x: node.input('x'), dy: grad('y') }, { kind: node.attrs['kind'] }).output('dx') }),
  },
  gated_activation: {
    outputs: ['y'],
    operands: ['a', 'b'],
    apply({ g, node, grad }) {
      const back = g.node('gated_activation_grad', { a: node.input('a'), b: node.input('b'), dy: grad('y') }, { kind: node.attrs['kind'] });
      return { a: back.output('da'), b: back.output('db') };
    },
  },
};
