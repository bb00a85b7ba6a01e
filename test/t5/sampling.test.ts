/** Sampling: the right distribution, and the same answer for the same seed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { Model } from './support.ts';
import { openModel } from './support.ts';

const engine = Engine.open({ device: 'cpu' });
const inputs = [[5, 9, 33, 1], [7, 1], [20, 21, 22, 23, 24, 25, 1]].map((row) => Int32Array.from(row));
let model: Model;
beforeAll(async () => {
  model = await openModel(engine, 't5-v1.1');
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await engine.dispose();
});
const lists = (rows: readonly Int32Array[]) => rows.map((row) => [...row]);

const DRAWS = 4000;

/** How often each token was drawn first, out of DRAWS. */
async function firstTokens(options: object): Promise<Float64Array> {
  const counts = new Float64Array(model.config.vocabSize);
  const got = await model.decoder.generate([inputs[0]], { doSample: true, maxNewTokens: 1, numReturnSequences: DRAWS, seed: 3, ...options });
  for (const [token] of got.sequences) counts[token]++;
  return counts;
}

/** Softmax of the first logits over temperature, over all tokens or the k likeliest. */
async function firstProbabilities(temperature: number, k?: number): Promise<Float64Array> {
  const { values } = await model.decoder.logits([inputs[0]], [Int32Array.of(0)]);
  const logits = Float64Array.from(values, (x) => x / temperature);
  const lowest = k ? logits.toSorted((a, b) => b - a)[k - 1] : -Infinity;
  const weights = logits.map((x) => (x >= lowest ? Math.exp(x) : 0));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
}

/**
 * Pearson's statistic less its mean, in standard deviations (chi-square with n - 1 degrees of freedom has mean n - 1 and
 * variance 2 (n - 1)); tokens expected fewer than 5 times share one bin.
 */
function chiSquareDeviation(counts: Float64Array, probabilities: Float64Array): number {
  const bins: { seen: number; expected: number }[] = [{ seen: 0, expected: 0 }];
  probabilities.forEach((p, token) => {
    if (p * DRAWS >= 5) bins.push({ seen: counts[token], expected: p * DRAWS });
    else {
      bins[0].seen += counts[token];
      bins[0].expected += p * DRAWS;
    }
  });
  const used = bins.filter(({ expected }) => expected > 0);
  const statistic = used.reduce((sum, { seen, expected }) => sum + (seen - expected) ** 2 / expected, 0);
  return (statistic - (used.length - 1)) / Math.sqrt(2 * (used.length - 1));
}

describe('distribution of the first token', () => {
  test.each([
    ['plain', {}, 1, undefined],
    ['temperature 0.5', { temperature: 0.5 }, 0.5, undefined],
    ['top 5', { topK: 5 }, 1, 5],
  ] as const)('%s', async (_, options, temperature, k) => {
    const counts = await firstTokens({ topK: 0, ...options });
    expect(chiSquareDeviation(counts, await firstProbabilities(temperature, k))).toBeLessThan(4);
  });

  test('another temperature is told apart', async () => {
    const counts = await firstTokens({ topK: 0, temperature: 0.9 });
    expect(chiSquareDeviation(counts, await firstProbabilities(1))).toBeGreaterThan(4);
  });

  test('top-p draws from the smallest likeliest set of that mass', async () => {
    const probabilities = await firstProbabilities(1);
    const byMass = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const nucleus: number[] = [];
    for (let mass = 0; mass < 0.6; mass += probabilities[nucleus.at(-1)!]) nucleus.push(byMass[nucleus.length]);
    const counts = await firstTokens({ topK: 0, topP: 0.6 });
    expect([...counts.keys()].filter((token) => counts[token] > 0).sort((a, b) => a - b)).toEqual(nucleus.sort((a, b) => a - b));
  });
});

describe('seeds', () => {
  const options = { doSample: true, maxNewTokens: 12, topK: 0, temperature: 1.5 };

  test('the same seed gives the same answers, another one others', async () => {
    const [a, b, c] = await Promise.all([5, 5, 6].map((seed) => model.decoder.generate(inputs, { ...options, seed })));
    expect(lists(b.sequences)).toEqual(lists(a.sequences));
    expect(b.logProbs).toEqual(a.logProbs);
    expect(lists(c.sequences)).not.toEqual(lists(a.sequences));
  });

  test('rows and samples of one seed differ', async () => {
    const same = [inputs[0], inputs[0], inputs[0]];
    const got = await model.decoder.generate(same, { ...options, suppressTokens: [1], seed: 5, numReturnSequences: 2 });
    expect(new Set(lists(got.sequences).map(String)).size).toBe(6);
  });

  test('a seed per input: a row draws alone what it draws in a batch', async () => {
    const seeds = [11, 12, 4_294_967_295];
    const together = await model.decoder.generate(inputs, { ...options, seed: seeds });
    for (const [r, input] of inputs.entries()) {
      const alone = await model.decoder.generate([input], { ...options, seed: [seeds[r]] });
      expect(lists(alone.sequences)).toEqual([[...together.sequences[r]]]);
    }
  });

  test('without a seed every call draws anew', async () => {
    const [a, b] = await Promise.all([0, 1].map(() => model.decoder.generate(inputs, options)));
    expect(lists(a.sequences)).not.toEqual(lists(b.sequences));
  });
});

test.each([
  ['topK 1', { topK: 1, temperature: 3 }],
  ['a tiny topP', { topK: 0, topP: 1e-6, temperature: 3 }],
  ['topP 0', { topK: 0, topP: 0 }],
  ['a tiny temperature', { topK: 0, temperature: 1e-4 }],
])('%s is greedy', async (_, options) => {
  const greedy = await model.decoder.generate(inputs, { maxNewTokens: 10 });
  const got = await model.decoder.generate(inputs, { maxNewTokens: 10, doSample: true, seed: 1, ...options });
  expect(lists(got.sequences)).toEqual(lists(greedy.sequences));
});

test('log probabilities are those of the full pass', async () => {
  const got = await model.decoder.generate(inputs, { doSample: true, maxNewTokens: 12, topK: 8, temperature: 2, seed: 9 });
  const { logLikelihood, perToken } = await model.decoder.score(inputs, got.sequences.map((row) => [row]));
  got.scores.forEach((score, r) => {
    expect(score).toBeCloseTo(logLikelihood[r][0], 3);
    got.logProbs![r].forEach((p, t) => expect(p).toBeCloseTo(perToken[r][0][t], 4));
  });
});
