import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withLengths } from '../../bench/train/lengths.ts';
import type { Lengths } from '../../bench/train/lengths.ts';
import { WordCache } from '../../lib/data/word-cache.ts';
import { packingShare } from '../../lib/data/packing.ts';
import { readRunConfig } from '../../lib/train/run/config.ts';
import { DataSources } from '../../lib/train/run/data.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';

const WINDOWS = { hyperTokens: 150, queryTokens: 40, answerTokens: 24, queryEos: false };
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(path.join(os.tmpdir(), 'lengths-'))));
afterAll(() => rm(folder, { recursive: true }));

/** Real tokens among those of padded batches: of evidence, queries and answers. */
async function realShares(lengths: Lengths): Promise<number[]> {
  const config = await readRunConfig('bench/train/tiny.json');
  const run = await withLengths(config, lengths, folder);
  const data = new DataSources(new WordCache(await Tokenizer.fromFolder('weights/tiny')));
  const opened = await data.open(run.parts.find(({ kind }) => kind === 'episodes')!, WINDOWS);
  if (!opened.hyper) throw new Error('no episodes');
  const sums = [0, 0, 0].map(() => ({ tokens: 0, padded: 0 }));
  for (let step = 0; step < 10; step++) {
    const { hyper, encoder, decoder } = opened.batch(step, 0);
    for (const [i, { offsets }] of [hyper, encoder, decoder].entries()) {
      const { tokens, padded } = packingShare(offsets);
      sums[i].tokens += tokens;
      sums[i].padded += padded;
    }
  }
  return sums.map(({ tokens, padded }) => tokens / padded);
}

test('full rows have no padding', async () => {
  expect(await realShares('full')).toEqual([1, 1, 1]);
});

test('rows as long as those of public tasks differ more in length than generated ones', async () => {
  const [evidence, queries, answers] = await realShares('public');
  const generated = await realShares('config');
  for (const share of [evidence, queries, answers]) expect(share).toBeGreaterThan(0.1);
  expect(queries).toBeLessThan(generated[1]);
  expect(answers).toBeLessThan(generated[2]);
});
