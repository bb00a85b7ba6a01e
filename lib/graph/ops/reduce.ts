/** Reductions to one number, in an order that does not depend on threads. */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

/** Sum of all elements; f32 [1]. */
export function sum(g: Graph, { x, name }: { x: Value } & Named): Value {
  return g.node('sum', { x }, {}, { name }).output('y');
}

/** Square root of the sum of squares of all operands together; f32 [1]. No gradient. */
export function globalNorm(g: Graph, { x, name }: { x: readonly Value[] } & Named): Value {
  return g.node('global_norm', { x }, {}, { name }).output('y');
}

export const reduceGradients: GradientRules = {
  sum: {
    outputs: ['y'],
    operands: ['x'],
    apply: ({ g, node, grad }) => ({ x: g.node('expand', { s: grad('y') }, {}, { shapes: { y: node.required('x').shape } }).output('y') }),
  },
};
