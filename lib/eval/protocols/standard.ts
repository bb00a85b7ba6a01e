/** Our own protocol: right evidence against none, against another task's, and against the same examples with permuted labels. */
import { Random } from '../../data/random.ts';
import { counterparts, drawQueries, drawShots, permuteLabels } from '../draws.ts';
import type { EvalTask } from '../task.ts';
import { whyNot } from '../task.ts';
import type { Evidence, Trial } from '../trial.ts';
import { usable } from './protocol.ts';
import type { Plan, Protocol, Settings } from './protocol.ts';

export const standard: Protocol = {
  name: 'default',
  defaults: { shots: 8, queries: 20, seed: 1, adapterPer: 'task' },
  conditions: ['none', 'static', 'wrong', 'permuted', 'right'],
  primary: 'exact',
  others: ['rank', 'logLikelihood', 'tokenLogLikelihood', 'rougeL', 'macroF1'],
  generates: true,
  plan,
  units: (results) => results,
  unitName: 'tasks',
};

function plan(all: readonly EvalTask[], { shots, queries, seed, adapterPer }: Settings): Plan {
  const { tasks, skipped } = usable(all, whyNot);
  const others = counterparts(tasks, seed);
  const draws = new Map<string, Evidence>();
  /** Shots of a task, or of its query number `i`: the same object whoever asks, so that it is adapted to once. */
  const shotsOf = (task: EvalTask, i: number): Evidence => {
    const names = adapterPer === 'task' ? [task.id] : [task.id, i];
    const key = names.join('\u0000');
    const drawn = draws.get(key) ?? drawShots(task, shots, Random.stream(seed, 'shots', ...names));
    draws.set(key, drawn);
    return drawn;
  };
  const permuted = new Map<Evidence, Evidence | undefined>();
  const trials = tasks.flatMap((task) => drawQueries(task, queries, seed).map((query, i): Trial => {
    const right = shotsOf(task, i);
    const other = others.get(task);
    if (!permuted.has(right)) permuted.set(right, permuteLabels(right, task, Random.stream(seed, 'permuted', task.id, i)));
    return { task, repeat: 0, query, right, wrong: other && shotsOf(other, i), permuted: permuted.get(right) };
  }));
  return { trials, skipped };
}
