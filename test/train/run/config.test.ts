import { expect, test } from 'vitest';
import { HypertuneError } from '../../../lib/engine/errors.ts';
import { parseRunConfig } from '../../../lib/train/run/config.ts';
import { nearestName } from '../../../lib/train/run/section.ts';
import { TOKENIZER, toyJson } from './support.ts';

/** The error of a configuration: code, field and message. */
function refusal(json: unknown): { code: string; field?: string; message: string } {
  try {
    parseRunConfig(json, 'run.json', '/data');
  } catch (error) {
    if (error instanceof HypertuneError) return { code: error.code, field: error.field, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

/** The toy with one field, given by its path, set to a value. */
function withField(at: string, value: unknown): Record<string, unknown> {
  const json = structuredClone(toyJson('out', { validate: { every: 5 }, optimizer: {}, export: {}, checkpoint: {}, earlyStop: {}, metrics: {} }));
  const keys = at.split(/[.[\]]+/).filter(Boolean);
  let object: Record<string, unknown> = json;
  for (const key of keys.slice(0, -1)) object = object[key] as Record<string, unknown>;
  object[keys.at(-1)!] = value;
  return json;
}

test('the resolved form reads back as itself', () => {
  const full = parseRunConfig(toyJson('out', {
    validate: { every: 5 }, earlyStop: {}, optimizer: { kind: 'adafactor', average: 0.99 }, dtype: 'bf16',
    train: { t5: true, rules: [{ match: 't5.shared.weight', freeze: true }, { match: '*', lr: 0.5 }] },
    parts: [{ kind: 'episodes', data: [{ generated: { shares: { pair: 1 } }, weight: 2 }, { folder: 'tasks', index: 'index.json', filter: { kind: 'label', maxInputWords: 20 }, labels: {} }] }],
  }), 'run.json', '/data');
  expect(parseRunConfig(JSON.parse(JSON.stringify(full)), 'run.json', '/elsewhere')).toEqual(full);
  expect(full.output).toBe('/data/out');
  expect(full.parts[0].data[1]).toMatchObject({ folder: '/data/tasks', index: '/data/index.json', filter: { kind: ['label'], maxInputWords: 20 }, labels: { renamed: 0.5, maxClasses: 4 }, weight: 1 });
  expect(full.parts[0].seed).toBe(5);
  expect(full.validate!.parts[0]).toEqual({ ...full.parts[0], seed: 500_005 });
  expect(full.export).toEqual({ folder: '/data/out/model', dtype: null, from: 'best', average: true });
});

test('what the hypermodel is decides what trains', () => {
  expect(parseRunConfig(toyJson('out', { train: undefined, parts: [{ kind: 'episodes', data: [{ generated: {} }] }] })).train).toMatchObject({ t5: false, hyper: true, rules: [] });
  expect(parseRunConfig(toyJson('out', { train: undefined, hyper: undefined, parts: [{ kind: 'text', data: [{ generated: {} }] }] })).train).toMatchObject({ t5: true, hyper: false, rules: [] });
});

test.each([
  ['outptu', 'x', 'outptu', 'Is output meant?'],
  ['parts[1].querysPerSet', 3, 'parts[1].querysPerSet', 'Is parts[1].queriesPerSet meant?'],
  ['parts[0].data[0].wieght', 3, 'parts[0].data[0].wieght', 'Is parts[0].data[0].weight meant?'],
  ['schedule.zzz', 3, 'schedule.zzz', 'Known fields here: kind, peak, steps'],
  ['optimizer.eps1', 3, 'optimizer.eps1', 'Is optimizer.eps meant?'],
])('the unknown field %s is refused with the nearest name', (at, value, field, remedy) => {
  const { code, field: named, message } = refusal(withField(at, value));
  expect({ code, named }).toEqual({ code: 'CONFIG_INVALID', named: field });
  expect(message).toContain(remedy);
});

test.each([
  ['output', 7, 'a string'],
  ['seed', -1, 'an integer from 0'],
  ['seed', 1.5, 'an integer from 0'],
  ['device', 'gpu', '"auto", "cpu", "cuda", "reference"'],
  ['threads', 0, 'an integer from 1'],
  ['dtype', 'f16', '"f32", "bf16"'],
  ['t5', undefined, '"folder"'],
  ['t5.folder', 'x', 'either folder or config'],
  ['hyper.config.kind', 'both ways', 'Use one of'],
  ['t5.config.num_heads', 0, 'an integer from 1'],
  ['train.t5', 'yes', 'true or false'],
  ['train.rules', {}, 'a list'],
  ['train.rules', [{ lr: 2 }], 'a string', 'train.rules[0].match'],
  ['parts', [], 'at least one part'],
  ['parts[0].kind', 'texts', '"text"'],
  ['parts[0].rows', 0, 'an integer from 1'],
  ['parts[0].mix', { cue: 0 }, 'positive sum'],
  ['parts[0].mix.cue', -1, 'a number from 0'],
  ['parts[0].data', [], 'at least one source'],
  ['parts[0].data[0]', { weight: 1 }, 'exactly one of the fields', 'parts[0].data[0]'],
  ['parts[0].data[0].generated', { minWords: 3 }, 'from 4 to 12', 'parts[0].data[0].generated.minWords'],
  ['parts[0].data[0].generated', { minWords: 8, maxWords: 7 }, 'at least minWords', 'parts[0].data[0].generated.maxWords'],
  ['parts[0].data[0].heldOut', 'numbers', '"primitive"'],
  ['parts[0].name', 'a b', 'letters'],
  ['parts[1].name', 'text', 'no other part has'],
  ['parts[1].states', 'p', '"lora"'],
  ['optimizer.kind', 'sgd', '"adamw", "adafactor"'],
  ['optimizer.beta1', 1, 'a number from 0'],
  ['optimizer.average', 1, 'a number from 0'],
  ['schedule', undefined, '"steps"'],
  ['schedule.steps', undefined, 'an integer'],
  ['schedule.warmup', 7, 'an integer from 0 to 6'],
  ['schedule.kind', 'step', '"inverse-sqrt"'],
  ['checkpoint.keep', 0, 'an integer from 1'],
  ['validate.every', 0, 'an integer from 1'],
  ['validate.parts', [], 'nothing to validate on'],
  ['earlyStop.patience', 0, 'an integer from 1'],
  ['metrics.tensorboard', 1, 'true or false'],
  ['export.average', true, 'optimizer.average'],
  ['export.dtype', 'F32', '"f32"'],
] as [at: string, value: unknown, expected: string, field?: string][])('%s = %j is refused', (at, value, expected, field = at) => {
  const { code, field: named, message } = refusal(withField(at, value));
  expect(code).toMatch(/^CONFIG_(INVALID|UNSUPPORTED)$/);
  expect(message).toContain(expected);
  expect(named).toBe(field);
});

test('fields that do not go together', () => {
  expect(refusal(withField('parts[1]', { kind: 'episodes', minShots: 5, maxShots: 4, data: [{ generated: {} }] }))).toMatchObject({ field: 'parts[1].maxShots' });
  expect(refusal(toyJson('out', { hyper: undefined }))).toMatchObject({ field: 'parts[1].kind' });
  expect(refusal(toyJson('out', { train: { t5: false } }))).toMatchObject({ field: 'parts[0].kind' });
  expect(refusal(toyJson('out', { train: { t5: false, hyper: false } }))).toMatchObject({ field: 'train' });
  expect(refusal(toyJson('out', { earlyStop: {} }))).toMatchObject({ field: 'earlyStop' });
  expect(refusal(toyJson('out', { export: { from: 'best' } }))).toMatchObject({ field: 'export.from' });
  expect(refusal(toyJson('out', { t5: { folder: 'x', tokenizer: TOKENIZER } }))).toMatchObject({ field: 't5.tokenizer' });
  expect(refusal([])).toMatchObject({ code: 'CONFIG_INVALID', field: 'run.json' });
});

test('nearest names', () => {
  expect(nearestName('Schedul', ['schedule', 'seed'])).toBe('schedule');
  expect(nearestName('x', ['schedule', 'threads'])).toBeUndefined();
});
