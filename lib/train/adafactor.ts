/**
 * Adafactor: second moments kept as row and column means, updates of bounded size, learning rates relative to the size of the
 * parameter (Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5). T5's own optimiser: its initial sizes are made for it.
 */
import type { Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { adafactor } from '../graph/index.ts';
import type { SharedOptions, TrainedParameter, UpdateRule } from './optimizer.ts';
import { RuleOptimizer, requireAtLeast } from './optimizer.ts';

export interface AdafactorOptions extends SharedOptions {
  /** Added to squared gradients; 1e-30 when absent. */
  eps1?: number;
  /** Least root mean square of a parameter that scales its learning rate; 1e-3 when absent. */
  eps2?: number;
  /** Largest root mean square of an update before the learning rate; 1 when absent. */
  clipThreshold?: number;
  /** The second moment's decay at update t is 1 - t^decayRate; -0.8 when absent. */
  decayRate?: number;
  /** Decay of a first moment; absent: none is kept. */
  beta1?: number;
  /** Multiplies the learning rate by the root mean square of the parameter; default true. */
  scaleParameter?: boolean;
  /** Takes min(0.01, 1 / sqrt(t)) for the learning rate and ignores the one given to `update`; default false. */
  relativeStep?: boolean;
  /** With `relativeStep`: min(1e-6 t, 1 / sqrt(t)); default false. */
  warmupInit?: boolean;
}

/**
 * State kinds: `row` and `col` of what has two dimensions or more (the last two are factored, the others count matrices),
 * `v` of vectors, `m` with `beta1`. All f32.
 */
export class Adafactor extends RuleOptimizer {
  constructor(engine: Engine, parameters: readonly TrainedParameter[], options: AdafactorOptions = {}) {
    super(engine, parameters, adafactorRule(options), options);
  }
}

function adafactorRule(options: AdafactorOptions): UpdateRule {
  const { eps1 = 1e-30, eps2 = 1e-3, clipThreshold = 1, decayRate = -0.8, beta1, scaleParameter = true, relativeStep = false, warmupInit = false } = options;
  // Smaller numbers are not normal in f32, and a moment of 0 would be divided by.
  requireAtLeast(eps1, 1e-37, 'eps1');
  requireAtLeast(eps2, 0, 'eps2');
  requireAtLeast(clipThreshold, Number.MIN_VALUE, 'clipThreshold');
  if (!(decayRate <= 0)) throw new HypertuneError('ARGUMENT_RANGE', `decayRate is ${decayRate}, not a number up to 0.`, { field: 'decayRate' });
  if (beta1 !== undefined && !(beta1 >= 0 && beta1 < 1)) throw new HypertuneError('ARGUMENT_RANGE', `beta1 is ${beta1}, not in [0, 1).`, { field: 'beta1' });
  if (warmupInit && !relativeStep) throw new HypertuneError('ARGUMENT_INVALID', 'warmupInit belongs to relativeStep.', { field: 'warmupInit', remedy: 'Set relativeStep, or give the schedule a warm-up.' });
  return {
    view: (shape) => (shape.length < 2 ? shape : [shape.slice(0, -2).reduce((n, d) => n * d, 1), ...shape.slice(-2)]),
    state: (view) => ({
      ...(view.length < 2 ? { v: view } : { row: [view[0], view[1]], col: [view[0], view[2]] }),
      ...(beta1 === undefined ? {} : { m: view }),
    }),
    rates: (lr, t) => Float32Array.of(relativeStep ? Math.min(warmupInit ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t)) : lr, 1 - t ** decayRate),
    apply: (g, { state: { row, col, v, m }, param, copy, grad, rates, gscale, lrScale, weightDecay }) =>
      adafactor(g, { param, moment: v ? { v } : { row, col }, m, copy, grad, rates, gscale, beta1: beta1 ?? 0, eps1, eps2, clipThreshold, weightDecay, lrScale, scaleParameter }),
  };
}
