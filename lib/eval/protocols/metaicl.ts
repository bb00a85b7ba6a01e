/**
 * MetaICL's protocol (Min et al., arXiv 2110.15943): the likeliest option answers; macro-F1 for classification, accuracy otherwise; means over
 * five draws of 16 shots, and the worst of them.
 */
import { Random } from '../../data/random.ts';
import { counterparts, drawQueries, drawShots } from '../draws.ts';
import type { EvalTask } from '../task.ts';
import { whyNot } from '../task.ts';
import type { Trial } from '../trial.ts';
import { usable, withoutOptions } from './protocol.ts';
import type { Plan, Protocol, Settings } from './protocol.ts';

/** Of MetaICL's own runs. */
export const SHOT_SEEDS: readonly number[] = [100, 13, 21, 42, 87];

export const metaicl: Protocol = {
  name: 'metaicl',
  defaults: { shots: 16, queries: Infinity, seed: 1, adapterPer: 'task' },
  conditions: ['none', 'static', 'wrong', 'right'],
  primary: 'metaicl',
  others: ['rank', 'logLikelihood'],
  generates: false,
  plan,
  units: (results) => results,
  unitName: 'tasks',
};

function plan(all: readonly EvalTask[], { shots, queries, seed, adapterPer }: Settings): Plan {
  const { tasks, skipped } = usable(all, (task) => whyNot(task) ?? withoutOptions(task));
  const others = counterparts(tasks, seed);
  const trials = tasks.flatMap((task) => {
    const other = others.get(task);
    const asked = drawQueries(task, queries, seed);
    return SHOT_SEEDS.flatMap((shotSeed, repeat) => {
      const drawOf = (from: EvalTask, i: number) => drawShots(from, shots, Random.stream(shotSeed, 'shots', from.id, i));
      const once = { right: drawOf(task, 0), wrong: other && drawOf(other, 0) };
      return asked.map((query, i): Trial => {
        const evidence = adapterPer === 'task' ? once : { right: drawOf(task, i), wrong: other && drawOf(other, i) };
        return { task, repeat, query, ...evidence };
      });
    });
  });
  return { trials, skipped };
}
