/** Log-probabilities of labels under a linear head; logits are never stored whole. */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

export interface CrossEntropyArgs extends Named {
  /** [T, d]. */
  x: Value;
  /** [V, d]. */
  w: Value;
  /** f32 [V]: of each row of an i8 head. */
  wScale?: Value;
  /** i32 [T]; -1: the token does not count. */
  labels: Value;
  /** Multiplies the logits (d^-0.5 for T5 v1.0's tied head); 1 when absent. */
  scale?: number;
}

/** logp f32 [T] (0 where the label is -1) and the log of the sum of exponentials lse f32 [T], which has no gradient. */
export function crossEntropy(g: Graph, { x, w, wScale, labels, scale = 1, name }: CrossEntropyArgs): { logp: Value; lse: Value } {
  const node = g.node('cross_entropy', { x, w, w_scale: wScale, labels }, { scale }, { name });
  return { logp: node.output('logp'), lse: node.output('lse') };
}

export const crossEntropyGradients: GradientRules = {
  cross_entropy: {
    outputs: ['logp'],
    operands: ['x', 'w'],
    apply({ g, node, grad, refuse }) {
      if (node.required('w').dtype === 'i8') refuse('w', 'gradients do not pass int8 weights.');
      const operands = { x: node.input('x'), w: node.input('w'), labels: node.input('labels'), lse: node.output('lse'), g: grad('logp') };
      const back = g.node('cross_entropy_grad', operands, { scale: node.attrs['scale'] });
      return { x: back.output('dx'), w: back.optionalOutput('dw') };
    },
  },
};
