/** AdamW: adaptive moments with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2). */
import type { Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { adamw } from '../graph/index.ts';
import type { SharedOptions, TrainedParameter, UpdateRule } from './optimizer.ts';
import { RuleOptimizer, requireAtLeast } from './optimizer.ts';

export interface AdamWOptions extends SharedOptions {
  /** Decay of the first moment; 0.9 when absent. */
  beta1?: number;
  /** Decay of the second moment; 0.999 when absent. */
  beta2?: number;
  /** Added to the root of the second moment; 1e-8 when absent. */
  eps?: number;
}

/** Two moments, f32, in the shape of each parameter: state kinds `m` and `v`. */
export class AdamW extends RuleOptimizer {
  constructor(engine: Engine, parameters: readonly TrainedParameter[], options: AdamWOptions = {}) {
    super(engine, parameters, adamwRule(options), options);
  }
}

function adamwRule({ beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }: AdamWOptions): UpdateRule {
  for (const [field, beta] of Object.entries({ beta1, beta2 }))
    if (!(beta >= 0 && beta < 1)) throw new HypertuneError('ARGUMENT_RANGE', `${field} is ${beta}, not in [0, 1).`, { field });
  requireAtLeast(eps, 0, 'eps');
  return {
    view: (shape) => shape,
    state: (view) => ({ m: view, v: view }),
    rates: (lr, t) => Float32Array.of(lr, 1 - beta1 ** t, 1 - beta2 ** t),
    apply: (g, { state, param, copy, grad, rates, gscale, lrScale, weightDecay }) =>
      adamw(g, { param, copy, m: state['m'], v: state['v'], grad, rates, gscale, beta1, beta2, eps, weightDecay, lrScale }),
  };
}
