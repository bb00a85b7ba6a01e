// The shipped weights adapt: over tasks of seen kinds, right evidence beats that of another task of the same kind.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate } from '../../lib/eval/evaluate.ts';
import { generatedTasks } from '../../lib/eval/generated-tasks.ts';
import { HyperT5Subject } from '../../lib/eval/hypert5-subject.ts';
import { PROTOCOLS } from '../../lib/eval/protocols/index.ts';
import { HyperT5 } from '../../lib/index.ts';

let model: HyperT5;
beforeAll(async () => {
  model = await HyperT5.load(new URL('../../weights/tiny', import.meta.url).pathname);
});
afterAll(() => model.dispose());

// Lower bounds of the gain in exact match, in points: well below what the model card states, well above chance.
test.each([
  ['both', 25],
  ['prefix', 20],
  ['lora', 10],
] as const)('%s: right evidence gains at least %i points', async (kind, points) => {
  const tasks = generatedTasks({ tasksPerGroup: 10, seed: 2 }).filter(({ group }) => ['primitive', 'pair', 'marker', 'label'].includes(group));
  const { results, summaries } = await evaluate(new HyperT5Subject(model), tasks, { protocol: PROTOCOLS.default, kinds: [kind], conditions: ['none', 'wrong', 'right'], queries: 6, seed: 2 });
  const { conditions, gains } = summaries.find(({ group }) => group === 'all')!;
  expect(results).toHaveLength(40);
  expect(gains.wrong!.exact!.low).toBeGreaterThan(points / 100);
  expect(gains.wrong!.logLikelihood!.low).toBeGreaterThan(0);
  expect(conditions.right!.exact!.mean).toBeGreaterThan(conditions.none!.exact!.mean);
});
