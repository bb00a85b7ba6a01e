/** The starting weights of the training goldens, from a hash of name and position: the same as test/goldens/make/hyper_model.py draws. */
import type { Parameter } from '../../lib/t5/parameters.ts';
import { tinyConfig } from '../hyper/support.ts';

const { dModel: d, dKv, dFf } = tinyConfig();

/** Mean and bound of a parameter's uniform start. */
function spread(name: string): [number, number] {
  if (name.endsWith('norm.weight')) return [1, 0.3];
  if (name === 'shared.weight' || name === 'queries') return [0, 1.7];
  if (name.includes('relative_attention_bias')) return [0, 1];
  if (name.endsWith('Attention.q.weight')) return [0, Math.sqrt(3 / (d * dKv))];
  if (name.endsWith('wo.weight')) return [0, Math.sqrt(3 / dFf)];
  if (/_b\.[wb]2$/.test(name)) return [0, 0.03];
  return [0, /\.b[12]$/.test(name) ? 0.3 : Math.sqrt(3 / d)];
}

/** mean + bound * u, u in [-1, 1): FNV-1a of the key, murmur3's finaliser of the position. */
function draw(key: string, count: number, mean: number, bound: number): Float32Array {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(key)) seed = Math.imul(seed ^ byte, 16777619);
  return Float32Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return mean + bound * (((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1);
  });
}

/** Writes the start of `t5.<name>` or `hyper.<name>`. */
export async function writeStart(model: 't5' | 'hyper', parameters: readonly Parameter[]): Promise<void> {
  for (const { name, buffer } of parameters) await buffer.engine.write(buffer, draw(`${model}.${name}`, buffer.elements, ...spread(name)));
}
