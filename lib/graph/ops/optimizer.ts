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

export interface AdafactorArgs extends Named {
  /** Persistent f32. With a factored moment [N, R, C], N matrices that count as one parameter; else any shape. */
  param: Value;
  /** Persistent f32 second moment: its means over columns [N, R] and over rows [N, C], or whole, in the shape of param. */
  moment: { row: Value; col: Value } | { v: Value };
  /** Persistent f32: first moment of the update; absent: the update itself moves param. */
  m?: Value;
  /** Persistent: receives param in its own type. */
  copy?: Value;
  grad: Value;
  /** f32 [2]: learning rate, decay of the second moment. */
  rates: Value;
  /** f32 [1]: multiplies the gradient; 0 leaves everything as it is. */
  gscale: Value;
  /** Decay of m. */
  beta1: number;
  /** Added to squared gradients. */
  eps1: number;
  /** Least root mean square of param that scales the learning rate. */
  eps2: number;
  /** Largest root mean square of the update. */
  clipThreshold: number;
  weightDecay: number;
  /** Multiplies the learning rate of this parameter; 1 when absent. */
  lrScale?: number;
  /** Whether the learning rate is relative to the root mean square of param. */
  scaleParameter: boolean;
}

/** Effect: one step of Adafactor (Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5). */
export function adafactor(g: Graph, args: AdafactorArgs): void {
  const { param, moment, m, copy, grad, rates, gscale, beta1, eps1, eps2, clipThreshold, weightDecay, lrScale = 1, scaleParameter, name } = args;
  g.node(
    'row' in moment ? 'adafactor' : 'adafactor_full',
    { param, ...moment, m, copy, grad, rates, gscale },
    { beta1, eps1, eps2, clip_threshold: clipThreshold, weight_decay: weightDecay, lr_scale: lrScale, scale_parameter: Number(scaleParameter) },
    { name },
  );
}

/** Effect: mean += rate (x - mean), all persistent f32 of one shape; rate f32 [1]. gscale [1] of 0 leaves it as it is. */
export function average(g: Graph, { mean, x, rate, gscale, name }: { mean: Value; x: Value; rate: Value; gscale: Value } & Named): void {
  g.node('average', { mean, x, rate, gscale }, {}, { name });
}
