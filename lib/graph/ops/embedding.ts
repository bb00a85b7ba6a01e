/** Token embeddings, with rows of a soft prompt after the vocabulary (Lester et al. 2021, arXiv:2104.08691). */
import type { Shape } from '../dims.ts';
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Rounded } from './arguments.ts';

export interface EmbeddingArgs extends Rounded {
  /** [V, d]. */
  table: Value;
  /** [P, d]: ids V .. V+P-1 read these rows. */
  prompt?: Value;
  /** i32 [T], each in [0, V+P). */
  ids: Value;
}

/** y[t] = table[ids[t]]; [T, d]. */
export function embedding(g: Graph, { table, prompt, ids, dtype = 'f32', name }: EmbeddingArgs): Value {
  return g.node('embedding', { table, prompt, ids }, { dtype }, { name }).output('y');
}

export const embeddingGradients: GradientRules = {
  embedding: {
    outputs: ['y'],
    operands: ['table', 'prompt'],
    apply({ g, node, grad }) {
      const prompt = node.input('prompt');
      const shapes: Record<string, Shape> = prompt ? { dprompt: prompt.shape } : {};
      const back = g.node('embedding_grad', { table: node.input('table'), ids: node.input('ids'), dy: grad('y') }, {}, { shapes });
      return { table: back.output('dtable'), prompt: back.optionalOutput('dprompt') };
    },
  },
};
