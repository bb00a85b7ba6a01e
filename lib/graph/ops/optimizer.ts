/** Parameter updates. All are effects or have no gradient. */
import type { Graph } from '../graph.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

/**
 * Turns summed gradients into clipped means: scale = min(1, maxNorm / (norm / count)) / count and norm / count, both f32 [1].
 * maxNorm 0: no clipping. A norm that is not finite, or a count of 0, gives scale 0.
 */
export function gradScale(g: Graph, { norm, count, maxNorm, name }: { norm: Value; count: Value; maxNorm: number } & Named): { scale: Value; norm: Value } {
  const node = g.node('grad_scale', { norm, count }, { max_norm: maxNorm }, { name });
  return { scale: node.output('scale'), norm: node.output('norm_out') };
}

export interface AdamWArgs extends Named {
  /** Persistent f32, any shape. */
  param: Value;
  /** Persistent f32: first and second moment. */
  m: Value;
  v: Value;
  /** Persistent: receives param in its own type (the bf16 copy that the forward pass reads). */
  copy?: Value;
  grad: Value;
  /** f32 [3]: learning rate, 1 - beta1^t, 1 - beta2^t. */
  rates: Value;
  /** f32 [1]: multiplies the gradient; 0 leaves everything as it is. */
  gscale: Value;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Multiplies the learning rate of this parameter; 1 when absent. */
  lrScale?: number;
}

/** Effect: one step of AdamW with decoupled decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2). */
export function adamw(g: Graph, { param, m, v, copy, grad, rates, gscale, beta1, beta2, eps, weightDecay, lrScale = 1, name }: AdamWArgs): void {
  g.node('adamw', { param, m, v, copy, grad, rates, gscale }, { beta1, beta2, eps, weight_decay: weightDecay, lr_scale: lrScale }, { name });
}
