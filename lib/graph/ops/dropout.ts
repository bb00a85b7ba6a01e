/** Dropout whose draws depend on feeds and a constant stream only: a replayed or recomputed node draws the same. */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Rounded } from './arguments.ts';

export interface DropoutArgs extends Rounded {
  x: Value;
  /** i32 [4]: seed (two words), step, microbatch. */
  key: Value;
  /** f32 [1], in [0, 1); 0 copies x. */
  rate: Value;
  /** Tells apart the dropouts of one graph; the node's id when absent. Give it to draw the same in two graphs. */
  stream?: number;
}

/** x * keep / (1 - rate), keep drawn by Philox(key, stream, element). */
export function dropout(g: Graph, { x, key, rate, stream = g.nodes.length, dtype = 'f32', name }: DropoutArgs): Value {
  return g.node('dropout', { x, key, rate }, { stream, dtype }, { name }).output('y');
}

export const dropoutGradients: GradientRules = {
  dropout: {
    outputs: ['y'],
    operands: ['x'],
    // Linear in x with the same mask: the gradient is the op itself on dy.
    apply: ({ g, node, grad }) => ({
      x: dropout(g, { x: grad('y')!, key: node.required('key'), rate: node.required('rate'), stream: node.attrs['stream'] as number }),
    }),
  },
};
