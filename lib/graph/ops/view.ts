/** Other views of the same bytes: nothing moves. */
import type { Shape } from '../dims.ts';
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

/** x with other dimensions and as many elements. */
export function reshape(g: Graph, { x, shape, name }: { x: Value; shape: Shape } & Named): Value {
  return g.node('reshape', { x }, {}, { name, shapes: { y: shape } }).output('y');
}

/** n equal blocks of consecutive rows: [n*P, C] to n times [P, C]. */
export function splitRows(g: Graph, { x, n, name }: { x: Value; n: number } & Named): Value[] {
  return g.node('split_rows', { x }, { n }, { name }).all('y');
}

export const viewGradients: GradientRules = {
  reshape: { outputs: ['y'], operands: ['x'], apply: ({ g, node, grad }) => ({ x: reshape(g, { x: grad('y')!, shape: node.required('x').shape }) }) },
  split_rows: {
    outputs: ['y'],
    operands: ['x'],
    apply({ g, node, grad }) {
      const parts = node.all('y').map((_, i) => grad('y', i));
      const zeros = parts.every(Boolean) ? undefined : g.node('fill', {}, { value: 0 }, { shapes: { y: node.output('y').shape } }).output('y');
      return { x: g.node('concat_rows', { x: parts.map((part) => part ?? zeros) }, { dtype: 'f32' }).output('y') };
    },
  },
};
