// int8 weights as users meet them: the same answers, adapters on top, rows apart, less memory, and what is refused.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HyperT5 } from '../../lib/index.ts';

const EXAMPLES = [
  { input: 'type set society right happy', output: 'set type society right happy' }, { input: 'post down road fight', output: 'down post road fight' },
  { input: 'same site vote easy imagine', output: 'site same vote easy imagine' }, { input: 'may society drink carry', output: 'society may drink carry' },
];
const QUERIES = ['answer member society pass', 'road type post', 'drink vote carry imagine site', 'fight'];

let exact: HyperT5, int8: HyperT5;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'int8-'));
  exact = await HyperT5.load('weights/tiny', { device: 'cpu' });
  int8 = await HyperT5.load('weights/tiny', { device: 'cpu', dtype: 'int8' });
});
afterAll(async () => {
  await Promise.all([exact.dispose(), int8.dispose(), rm(dir, { recursive: true })]);
});

test('counts the same parameters', () => {
  expect(int8.info().parameters).toBe(exact.info().parameters);
});

test.each(['lora', 'prefix'] as const)('gives the greedy answers of fp32 under an adapter of kind %s', async (kind) => {
  const answers = async (model: HyperT5) => model.generate(QUERIES, { adapter: await model.adapt(EXAMPLES, { kind }) });
  expect(await answers(int8)).toEqual(await answers(exact));
});

test('scores come near those of fp32', async () => {
  const candidates = QUERIES.map(() => ['member answer society pass', 'road']);
  const [got, want] = await Promise.all([int8, exact].map((model) => model.score(QUERIES, candidates)));
  got.forEach(({ logLikelihoods }, i) => logLikelihoods.forEach((x, j) => {
    expect(x).not.toBe(want[i].logLikelihoods[j]);
    // Of sums of up to 20 log-probabilities, each off by an error of logits of some hundredths.
    expect(Math.abs(x - want[i].logLikelihoods[j])).toBeLessThan(1);
  }));
});

test('states of a text are the same alone and in a batch', async () => {
  const [alone] = await int8.encode([QUERIES[0]]);
  const [, together] = await int8.encode([QUERIES[2], QUERIES[0], QUERIES[1]]);
  expect(together.states).toEqual(alone.states);
});

test('refuses to be tuned or merged, and says what to do', async () => {
  const adapter = await int8.adapt(EXAMPLES, { kind: 'lora' });
  const refused = { code: 'CONFIG_UNSUPPORTED', field: 'dtype', remedy: expect.stringContaining("'f32'") };
  await expect(adapter.tune(EXAMPLES, { steps: 1 })).rejects.toMatchObject(refused);
  await expect(int8.merge(adapter, path.join(dir, 'merged'))).rejects.toMatchObject(refused);
});

test('refuses a type that there is not', async () => {
  await expect(HyperT5.load('weights/tiny', { dtype: 'int4' as 'int8' })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'dtype' });
});
