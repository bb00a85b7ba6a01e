/** Greedy and beam answers token for token as transformers gives them, and likelihoods of given answers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { T5Decoder } from '../../lib/t5/decoding/index.ts';
import { readGolden } from '../goldens/read.ts';
import { FAMILIES, openModel } from './support.ts';

interface Case {
  name: string;
  options: Record<string, unknown>;
  sequences: number[][];
  sequence_scores?: number[];
}

interface Likelihood {
  input: number[];
  candidates: { ids: number[]; token_log_probabilities: number[]; sum_log_probability: number }[];
}

// Sums of a few logs of probabilities, in single precision.
const LOG_P = 2e-4;
const close = (got: number, want: number, what: string) =>
  expect(Math.abs(got - want), `${what}: ${got}, not ${want}`).toBeLessThanOrEqual(LOG_P * Math.max(1, Math.abs(want)));

const rows = (lists: readonly number[][]) => lists.map((list) => Int32Array.from(list));

/** Options as transformers names them -> ours. */
const camelCase = (options: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(options).map(([name, value]) => [name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()), value]));

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

describe.each(FAMILIES)('%s', (family) => {
  const { inputs, cases, likelihood }: { inputs: number[][]; cases: Case[]; likelihood: Likelihood[] } = readGolden(`decode/${family}.json`);
  let decoder: T5Decoder;
  let dispose: () => PromiseLike<void>;
  beforeAll(async () => {
    const model = await openModel(engine, family);
    decoder = model.decoder;
    dispose = () => model[Symbol.asyncDispose]();
  });
  afterAll(() => dispose());

  test.each(cases)('$name', async ({ options, sequences, sequence_scores: scores }) => {
    const got = await decoder.generate(rows(inputs), camelCase(options));
    expect(got.sequences.map((row) => [...row])).toEqual(sequences);
    scores?.forEach((score, i) => close(got.scores[i], score, `score ${i}`));
  });

  test('likelihoods of candidates, one encoder row for all of an input', async () => {
    const got = await decoder.score(rows(likelihood.map((l) => l.input)), likelihood.map((l) => rows(l.candidates.map((c) => c.ids))));
    likelihood.forEach(({ candidates }, i) =>
      candidates.forEach((want, j) => {
        close(got.logLikelihood[i][j], want.sum_log_probability, `input ${i}, candidate ${j}`);
        expect(got.perToken[i][j].length).toBe(want.ids.length);
        want.token_log_probabilities.forEach((p, t) => close(got.perToken[i][j][t], p, `input ${i}, candidate ${j}, token ${t}`));
      }),
    );
  });
});
