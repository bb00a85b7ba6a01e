import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import type { ParameterOptions, ParameterRule } from '../../lib/train/parameters.ts';
import { tinyConfig } from '../hyper/support.ts';

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

const config = tinyConfig(30);
const parameters = allocateT5(engine, config, 'f32', false).all();
const trained = (options: ParameterOptions) => new Map(trainedParameters(parameters, config, options).map((p) => [p.name, p]));
const q = 'encoder.block.0.layer.0.SelfAttention.q.weight';
const k = 'encoder.block.1.layer.0.SelfAttention.k.weight';
const bias = 'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
const gain = 'encoder.block.0.layer.0.layer_norm.weight';

test('Adam gets a smaller rate for q and a larger one for the bias table; vectors and the table do not decay', () => {
  const all = trained({ weightDecay: 0.1 });
  expect(all.size).toBe(parameters.length);
  expect([q, k, bias, gain].map((name) => [all.get(name)!.lrScale, all.get(name)!.weightDecay])).toEqual([[config.dKv ** -0.5, 0.1], [1, 0.1], [10, 0], [1, 0]]);
  expect(new Set([...trained({ rates: 'equal' }).values()].map(({ lrScale }) => lrScale))).toEqual(new Set([1]));
});

test('the first rule that matches freezes, or multiplies the rate and sets the decay', () => {
  const rules: ParameterRule[] = [
    { match: 'shared.weight', freeze: true },
    { match: 'encoder.block.0.*', lr: 0.5, weightDecay: 0.3 },
    { match: '/relative_attention_bias/', lr: 2, weightDecay: 0.3 },
    { match: /^encoder\.block\.\d/g, lr: 0.25 },
  ];
  const all = trained({ weightDecay: 0, rules });
  expect(all.has('shared.weight')).toBe(false);
  expect(all.size).toBe(parameters.length - 1);
  expect([q, k, bias, gain].map((name) => [all.get(name)!.lrScale, all.get(name)!.weightDecay])).toEqual([[config.dKv ** -0.5 / 2, 0.3], [0.25, 0], [20, 0], [0.5, 0]]);
  expect(all.get('decoder.final_layer_norm.weight')!.lrScale).toBe(1);
});

test('a glob is for the whole name, and its dots are dots', () => {
  const frozen = (match: string) => parameters.length - trained({ rules: [{ match, freeze: true }] }).size;
  expect(frozen('*.q.weight')).toBe(2 + 3 + 3);
  expect(frozen('encoder.block.?.layer.1.layer_norm.weight')).toBe(2);
  expect(frozen('*')).toBe(parameters.length);
  expect(() => frozen('encoder.block')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => frozen('sharedxweight')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test.each([
  ['rules[0].match', [{ match: 'encoder.blok.*', freeze: true }]],
  ['rules[1].match', [{ match: 'encoder.*', lr: 2 }, { match: q, freeze: true }]],
  ['rules[0].match', [{ match: '/(/', freeze: true }]],
  ['rules[0].lr', [{ match: '*', lr: -1 }]],
  ['rules[0].weightDecay', [{ match: '*', weightDecay: NaN }]],
  ['rules[0].freeze', [{ match: '*', freeze: true, lr: 1 }]],
] as [string, ParameterRule[]][])('a rule that does nothing or cannot be read is refused: %s', (field, rules) => {
  expect(() => trained({ rules })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', field }));
});
