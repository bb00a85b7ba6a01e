/** Exponential moving average of the parameters: for evaluation and export, never read by training. */
import { HypertuneError } from '../engine/errors.ts';

/**
 * Weight of the newest parameters in the average after update `t` (from 1 on): (1 - decay) / (1 - decay^t). With it the average
 * is at every moment the bias-corrected one (Kingma & Ba 2015, arXiv:1412.6980, section 3, for parameters instead of
 * gradients): it starts as the first update's parameters and forgets the random start at once, its buffer can be used as it
 * is, and no warm-up constant has to be chosen.
 */
export function averageRate(decay: number, t: number): number {
  return (1 - decay) / (1 - decay ** t);
}

/** ARGUMENT_RANGE unless 0 <= decay < 1. */
export function requireDecay(decay: number): void {
  if (!(decay >= 0 && decay < 1)) throw new HypertuneError('ARGUMENT_RANGE', `averageDecay is ${decay}, not in [0, 1).`, { field: 'averageDecay', remedy: 'Values near 0.999 average about the last 1000 updates.' });
}
