/** A hypermodel that starts from the frozen T5's weights. */
import type { Random } from '../data/random.ts';
import { innerWidth } from '../t5/config.ts';
import type { Parameters } from '../t5/parameters.ts';
import { normals, uniforms } from '../train/init.ts';
import { firstQuery, groupQueries, siteGroups } from './config.ts';
import { headShapes } from './hypermodel.ts';
import type { Hypermodel } from './hypermodel.ts';

/** Root mean square of tanh of a standard normal variable. */
const TANH_RMS = 0.628;
/** Size of generated keys and values beside the model's own. */
const PREFIX_SIZE = 0.5;
const LOGIT_BIAS = -8;
const PREFIX_HEAD = /\.[kv]\.\d+\.w2$/;

/**
 * Trunk and queries from the T5 (queries are rows of its embedding: they must have the size of embeddings). LoRA heads start
 * as a no-op: B is 0, A is the usual LoRA draw through its bias. Prefix heads start at half the size of real keys and values.
 */
export async function initializeHypermodel(hyper: Hypermodel, t5: Parameters, rng: Random): Promise<void> {
  const { config, base, parameters } = hyper;
  const { engine } = parameters;
  const d = base.dModel;
  const shapes = headShapes(config, base);
  const embedding = await read(t5, 'shared.weight');
  for (const { name, buffer } of parameters.all()) {
    const shape = shapes.get(name);
    const write = (values: Float32Array) => engine.write(buffer, values);
    if (!shape) await write(await read(t5, name));
    else if (name === 'queries') {
      const rows = rng.pick(Array.from({ length: base.vocabSize }, (_, i) => i), shape[0]);
      await write(Float32Array.from(rows.flatMap((row) => [...embedding.subarray(row * d, (row + 1) * d)])));
    } else if (name.endsWith('.w1')) await write(uniforms(rng, buffer.elements, Math.sqrt(3 / d)));
    else if (name.endsWith('_a.b2')) await write(uniforms(rng, buffer.elements, d ** -0.5));
    else if (name.endsWith('.norm')) await write(new Float32Array(buffer.elements).fill(1));
    else if (name.endsWith('.logit_bias')) await write(new Float32Array(buffer.elements).fill(LOGIT_BIAS));
    else if (PREFIX_HEAD.test(name)) {
      const size = await ownSize(hyper, t5, name);
      await write(normals(rng, buffer.elements, (PREFIX_SIZE * size) / (config.outputScale * TANH_RMS * Math.sqrt(d))));
    }
  }
}

/**
 * Root mean square of the keys or values that a site computes, from its weights: the normalised input has components of
 * mean square gain^2, so the output's mean square is the mean over outputs of sum_j (w_j gain_j)^2.
 */
async function ownSize({ base }: Hypermodel, t5: Parameters, head: string): Promise<number> {
  const [, stack, site, part, block] = head.split('.');
  const layer = site === 'self' ? 0 : 1;
  const module = site === 'self' ? 'SelfAttention' : 'EncDecAttention';
  const w = await read(t5, `${stack}.block.${block}.layer.${layer}.${module}.${part}.weight`);
  const gain = await read(t5, site === 'self' ? `${stack}.block.${block}.layer.0.layer_norm.weight` : 'encoder.final_layer_norm.weight');
  let sum = 0;
  for (let i = 0; i < w.length; i++) sum += (w[i] * gain[i % base.dModel]) ** 2;
  return Math.sqrt(sum / innerWidth(base));
}

async function read(parameters: Parameters, name: string): Promise<Float32Array> {
  return Float32Array.from(await parameters.engine.read(parameters.get(name).buffer));
}

/**
 * Takes over what another hypermodel of the same T5 has learned: its trunk, and the queries and heads of every part and site that
 * both have. So a hypermodel that writes both parts can start from one that writes prefixes.
 */
export async function inheritHypermodel(hyper: Hypermodel, from: Hypermodel): Promise<void> {
  const { engine } = hyper.parameters;
  for (const { name, shape, buffer } of hyper.parameters.all()) {
    if (name === 'queries') continue;
    const found = from.parameters.has(name) ? from.parameters.get(name) : undefined;
    if (found?.shape.join() === shape.join()) await engine.write(buffer, await read(from.parameters, name));
  }
  const rows = await read(from.parameters, 'queries');
  const { buffer } = hyper.parameters.get('queries');
  const d = hyper.base.dModel;
  for (const group of siteGroups(hyper.config, hyper.base)) {
    const same = siteGroups(from.config, from.base).some(({ part, name }) => part === group.part && name === group.name);
    const count = groupQueries(hyper.config, group);
    if (!same || groupQueries(from.config, group) !== count) continue;
    const first = firstQuery(from.config, from.base, group);
    await engine.write(buffer, rows.slice(first * d, (first + count) * d), firstQuery(hyper.config, hyper.base, group) * d);
  }
}
