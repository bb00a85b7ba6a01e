/** Root-mean-square norm without mean and bias (Zhang & Sennrich 2019, arXiv:1910.07467), T5's layer norm. */
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { Value } from '../node.ts';
import type { Rounded } from './arguments.ts';

export interface RmsNormArgs extends Rounded {
  /** [T, d]. */
  x: Value;
  /** [T, d], added to x before the norm. */
  residual?: Value;
  /** [d]. */
  gain: Value;
  eps: number;
}

export interface RmsNormResult {
  /** gain * h / sqrt(mean(h^2) + eps), [T, d]. */
  y: Value;
  /** What was normalised: x + residual as f32 [T, d]; x itself without a residual. */
  h: Value;
}

export function rmsNorm(g: Graph, { x, residual, gain, eps, dtype = 'f32', name }: RmsNormArgs): RmsNormResult {
  const node = g.node('rms_norm', { x, residual, gain }, { eps, dtype }, { name });
  return { y: node.output('y'), h: residual ? node.output('h') : x };
}

export const rmsNormGradients: GradientRules = {
  rms_norm: {
    outputs: ['y', 'h'],
    operands: ['x', 'residual', 'gain'],
    apply({ g, node, grad }) {
      const [dy, carry] = [grad('y'), grad('h')];
      if (!dy) return { x: carry, residual: carry };
      const h = node.input('residual') ? node.output('h') : node.input('x');
      const back = g.node('rms_norm_grad', { h, gain: node.input('gain'), dy, carry }, { eps: node.attrs['eps'] });
      const dh = back.output('dh');
      return { x: dh, residual: dh, gain: back.optionalOutput('dgain') };
    },
  },
};
