/** Starting values of parameters that come from no checkpoint. */
import type { Random } from '../data/random.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import type { Parameters } from '../t5/parameters.ts';

/** Box-Muller. */
export function normals(rng: Random, count: number, std: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(1 - rng.float()));
    const angle = 2 * Math.PI * rng.float();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

export function uniforms(rng: Random, count: number, bound: number): Float32Array {
  return Float32Array.from({ length: count }, () => bound * (2 * rng.float() - 1));
}

/** T5's own draw: q std (d d_kv)^-0.5; k, v, wi and the bias table d^-0.5; o inner^-0.5; wo d_ff^-0.5; embeddings 1; gains 1. */
export async function initializeT5(parameters: Parameters, config: T5Config, rng: Random): Promise<void> {
  const { dModel: d, dKv, dFf } = config;
  const std = (name: string): number => {
    if (name.endsWith('Attention.q.weight')) return (d * dKv) ** -0.5;
    if (name.endsWith('Attention.o.weight')) return innerWidth(config) ** -0.5;
    if (name.endsWith('DenseReluDense.wo.weight')) return dFf ** -0.5;
    return name === 'shared.weight' || name === 'lm_head.weight' ? 1 : d ** -0.5;
  };
  for (const { name, shape, buffer } of parameters.all()) {
    const values = shape.length === 1 ? new Float32Array(buffer.elements).fill(1) : normals(rng, buffer.elements, config.initializerFactor * std(name));
    await parameters.engine.write(buffer, values);
  }
}
