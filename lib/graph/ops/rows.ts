/** Whole rows of matrices: below each other, picked, summed and written by index. */
import type { Size } from '../dims.ts';
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Named, Rounded } from './arguments.ts';
import { splitRows } from './view.ts';

/** Blocks [P, C] one below the other: [n*P, C]. */
export function concatRows(g: Graph, { x, dtype = 'f32', name }: { x: readonly Value[] } & Rounded): Value {
  return g.node('concat_rows', { x }, { dtype }, { name }).output('y');
}

/** y[m] = x[index[m]] for x [N, C] and index i32 [M]; index -1 gives a row of zeros. */
export function gatherRows(g: Graph, { x, index, dtype = 'f32', name }: { x: Value; index: Value } & Rounded): Value {
  return g.node('gather_rows', { x, index }, { dtype }, { name }).output('y');
}

/** y[index[m]] += x[m] over zeros, in the order of m: x [M, C] to f32 [rows, C]; index -1 is left out. */
export function scatterAddRows(g: Graph, { x, index, rows, name }: { x: Value; index: Value; rows: Size } & Named): Value {
  return g.node('scatter_add_rows', { x, index }, {}, { name, shapes: { y: [rows, x.shape[1]] } }).output('y');
}

/** Effect: buffer[index[m]] = x[m]; index -1 writes nothing. */
export function writeRows(g: Graph, { buffer, index, x, name }: { buffer: Value; index: Value; x: Value } & Named): void {
  g.node('write_rows', { buffer, index, x }, {}, { name });
}

export const rowsGradients: GradientRules = {
  concat_rows: { outputs: ['y'], operands: ['x'], apply: ({ g, node, grad }) => ({ x: splitRows(g, { x: grad('y')!, n: node.attrs['n'] as number }) }) },
  gather_rows: {
    outputs: ['y'],
    operands: ['x'],
    apply: ({ g, node, grad }) => ({ x: scatterAddRows(g, { x: grad('y')!, index: node.required('index'), rows: node.required('x').shape[0] }) }),
  },
  scatter_add_rows: {
    outputs: ['y'],
    operands: ['x'],
    apply: ({ g, node, grad }) => ({ x: gatherRows(g, { x: grad('y')!, index: node.required('index') }) }),
  },
};
