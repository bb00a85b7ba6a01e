/** Learning-rate factors and weight decay by parameter name. */
import type { T5Config } from '../t5/config.ts';
import type { Parameter } from '../t5/parameters.ts';
import type { TrainedParameter } from './adamw.ts';

export interface ParameterOptions {
  weightDecay?: number;
  /** Names that stay as they are. */
  frozen?: (name: string) => boolean;
}

const BIAS_RATE = 10;

/**
 * Adam moves every entry by about the learning rate, whatever its size. T5 draws q with std (d d_kv)^-0.5 because its scores
 * have no 1/sqrt(d_k), so q gets a rate d_kv^-0.5 smaller: the same as training with scaled scores and folding the factor
 * into q. The bias table needs values of several units, so it gets ten times the rate. Neither it nor any vector decays.
 */
export function trainedParameters(parameters: readonly Parameter[], config: T5Config, { weightDecay = 0.01, frozen = () => false }: ParameterOptions = {}): TrainedParameter[] {
  return parameters
    .filter(({ name }) => !frozen(name))
    .map((parameter) => {
      const bias = parameter.name.endsWith('relative_attention_bias.weight');
      const query = parameter.name.endsWith('Attention.q.weight');
      return { ...parameter, lrScale: bias ? BIAS_RATE : query ? config.dKv ** -0.5 : 1, weightDecay: bias || parameter.shape.length < 2 ? 0 : weightDecay };
    });
}
