/** A configuration's optimiser. */
import type { Engine } from '../../engine/engine.ts';
import { Adafactor } from '../adafactor.ts';
import { AdamW } from '../adamw.ts';
import type { RuleOptimizer, TrainedParameter } from '../optimizer.ts';
import type { OptimizerConfig } from './config-training.ts';

export function openOptimizer(engine: Engine, parameters: readonly TrainedParameter[], config: OptimizerConfig): RuleOptimizer {
  const shared = { maxNorm: config.maxNorm, averageDecay: config.average ?? undefined };
  if (config.kind === 'adamw') {
    const { beta1, beta2, eps } = config;
    return new AdamW(engine, parameters, { ...shared, beta1, beta2, eps });
  }
  const { eps1, eps2, clipThreshold, decayRate, beta1, scaleParameter, relativeStep, warmupInit } = config;
  return new Adafactor(engine, parameters, { ...shared, eps1, eps2, clipThreshold, decayRate, beta1: beta1 ?? undefined, scaleParameter, relativeStep, warmupInit });
}
