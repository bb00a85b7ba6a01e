// The shipped weights adapt: over tasks of seen kinds, right evidence beats that of another task of the same kind.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Universe } from '../../lib/data/families/universe.ts';
import { compareEvidence, summarize } from '../../lib/eval/evidence.ts';
import { HyperT5 } from '../../lib/index.ts';

let model: HyperT5;
beforeAll(async () => {
  model = await HyperT5.load(new URL('../../weights/tiny', import.meta.url).pathname);
});
afterAll(() => model.dispose());

test.each(['lora', 'prefix'] as const)('%s: the lower bound of the gain is above zero', async (kind) => {
  const universe = new Universe();
  const groups = (['primitive', 'pair', 'marker', 'label'] as const).map((name) => ({ name, source: universe.trainedOf(name) }));
  const results = await compareEvidence(model, groups, { kind, tasksPerGroup: 10, queries: 6, seed: 2 });
  const { exact, exactGain, likelihoodGain } = summarize('seen', results);
  expect(results).toHaveLength(40);
  expect(exactGain.low).toBeGreaterThan(0);
  expect(likelihoodGain.low).toBeGreaterThan(0);
  expect(exact.right).toBeGreaterThan(exact.none);
});
