// Every switch of the hypermodel: it runs, trains, adapts and saves; and adapters compose.
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

import type { HyperConfig } from '../../lib/hyper/config.ts';
import { adapterSize, parseHyperConfig, queryCount, serializeHyperConfig } from '../../lib/hyper/config.ts';
import { headShapes } from '../../lib/hyper/hypermodel.ts';
import { HyperT5 } from '../../lib/index.ts';
import type { Adapter } from '../../lib/index.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import { hyperConfig, tinyFolder } from './support.ts';

const EXAMPLES = [{ input: 'cat', output: 'cats' }, { input: 'bus', output: 'buses' }];
const VARIANTS: [string, 'lora' | 'prefix', Partial<HyperConfig>][] = [
  ['one query per rank row', 'lora', { loraLayout: 'per_rank' }],
  ['norm in front of heads', 'lora', { headNorm: true }],
  ['smaller output', 'prefix', { outputScale: 20 ** -0.5 }],
  ['prefix at cross-attention', 'prefix', { prefixCross: true }],
  ['learned logit bias', 'prefix', { prefixLogitBias: true }],
  ['no position bias among queries', 'lora', { queryBias: 'unbiased' }],
  ['bidirectional buckets among queries', 'prefix', { queryBias: 'bidirectional', headNorm: true, prefixCross: true }],
];

describe.each(VARIANTS)('%s', (_, kind, change) => {
  test('adapts, differs from the default, and survives saving', async () => {
    const model = await HyperT5.load(await tinyFolder([kind], change));
    const plain = await HyperT5.load(await tinyFolder([kind]));
    const value = async (m: HyperT5, adapter?: Adapter) => (await m.score(['dog'], [['one two']], { adapter }))[0].logLikelihoods[0];
    const adapter = await model.adapt(EXAMPLES);
    const expected = await value(model, adapter);
    expect(expected).not.toBeCloseTo(await value(model), 3);
    expect(expected).not.toBeCloseTo(await value(plain, await plain.adapt(EXAMPLES)), 6);
    expect(adapter.parameters).toBe(adapterSize(hyperConfig(kind, change), model.config));
    const dir = path.join(await mkdtemp(path.join(tmpdir(), 'variant-')), 'a');
    if (change.prefixLogitBias) await expect(adapter.save(dir)).rejects.toMatchObject({ code: 'CONFIG_UNSUPPORTED', field: 'prefix_logit_bias' });
    else {
      await adapter.save(dir);
      expect(await value(model, await model.loadAdapter(dir))).toBeCloseTo(expected, 5);
    }
    await model.dispose();
    await plain.dispose();
  });
});

test('the configuration goes to a file and back, and unknown values are refused', () => {
  for (const [, kind, change] of VARIANTS) {
    const config = hyperConfig(kind, change);
    expect(parseHyperConfig(JSON.parse(JSON.stringify(serializeHyperConfig(config))))).toEqual(config);
  }
  for (const [field, value] of Object.entries({ kind: 'x', rank: 0, lora_layout: 'x', query_bias: 3, head_norm: 'yes', prefix_length: 1.5 })) {
    expect(() => parseHyperConfig({ kind: 'lora', [field]: value })).toThrow(expect.objectContaining({ field }));
  }
});

// hypert5.md 3.5, recomputed from its formulas: T5 v1.1 sizes with P = 32 and r = 8.
test.each([['small', 512, 1024, 6, 8, 7_354_368, 22_851_072], ['base', 768, 2048, 12, 12, 30_710_784, 58_468_608]] as const)('published sizes of %s', (_, dModel, dFf, heads, layers, prefixHeads, loraHeads) => {
  const base = parseT5Config({ model_type: 't5', vocab_size: 32128, d_model: dModel, d_kv: 64, d_ff: dFf, num_heads: heads, num_layers: layers, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false });
  const count = (kind: 'lora' | 'prefix') => {
    const shapes = headShapes({ ...hyperConfig(kind), rank: 8, prefixLength: 32 }, base);
    let heads = 0;
    for (const [name, shape] of shapes) if (name !== 'queries') heads += shape.reduce((n, d) => n * d, 1);
    return heads;
  };
  expect(count('prefix')).toBe(prefixHeads);
  expect(count('lora')).toBe(loraHeads);
  expect(queryCount({ ...hyperConfig('lora') }, base)).toBe(3 * layers);
});

test('one trunk that writes both parts: each alone, or together, and together is their combination', async () => {
  const model = await HyperT5.load(await tinyFolder(['both'], { prefixCross: true }));
  expect(model.kinds).toEqual(['both', 'prefix', 'lora']);
  const value = async (adapter?: Adapter) => (await model.score(['dog'], [['one two']], { adapter }))[0].logLikelihoods[0];
  const adapters = await Promise.all(model.kinds.map((kind) => model.adapt(EXAMPLES, { kind })));
  expect(adapters.map(({ kind }) => kind)).toEqual(['combined', 'prefix', 'lora']);
  const [both, prefix, lora] = await Promise.all(adapters.map(value));
  expect(new Set([both, prefix, lora, await value()].map((x) => x.toFixed(4))).size).toBe(4);
  expect(await value(await model.combine([adapters[1], adapters[2]]))).toBeCloseTo(both, 5); // fp32 copies of the same values
  expect(adapters[0].parameters).toBe(adapterSize(hyperConfig('both', { prefixCross: true }), model.config));
  expect((await model.adapt(EXAMPLES)).kind).toBe('combined');
  await model.dispose();
});

test('combined adapters act as their parts one after the other', async () => {
  const folder = await tinyFolder(['prefix', 'lora']);
  const model = await HyperT5.load(folder);
  const lora = await model.adapt(EXAMPLES, { kind: 'lora' });
  const other = await model.adapt([{ input: 'red', output: 'blue' }], { kind: 'lora' });
  const prefix = await model.adapt(EXAMPLES, { kind: 'prefix' });
  const value = async (m: HyperT5, adapter?: Adapter) => (await m.score(['dog', 'a tree'], [['one two'], ['x']], { adapter })).map((r) => r.logLikelihoods[0]);

  const merged = path.join(path.dirname(folder), `${path.basename(folder)}-merged`);
  await model.merge(lora, merged);
  for (const kind of ['prefix', 'lora']) await cp(path.join(folder, `hyper-${kind}`), path.join(merged, `hyper-${kind}`), { recursive: true });
  const base = await HyperT5.load(merged);
  for (const second of [prefix, other]) {
    const dir = path.join(await mkdtemp(path.join(tmpdir(), 'combine-')), 'a');
    await second.save(dir);
    const expected = await value(base, await base.loadAdapter(dir));
    const combined = await model.combine([lora, second]);
    (await value(model, combined)).forEach((x, i) => expect(x).toBeCloseTo(expected[i], 4));
    const file = path.join(path.dirname(dir), 'combined');
    await combined.save(file);
    (await value(model, await model.loadAdapter(file))).forEach((x, i) => expect(x).toBeCloseTo(expected[i], 4));
  }
  const twice = await model.combine([prefix, prefix]);
  expect(twice.parameters).toBe(2 * prefix.parameters);
  await expect(model.combine([])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'adapters' });
  await base.dispose();
  await model.dispose();
});
