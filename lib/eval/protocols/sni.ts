/**
 * Super-NaturalInstructions (Wang et al., arXiv 2204.07705): the evidence is a task's definition and, with `shots` above 0, so many of its fixed
 * positive examples; greedy answers of at most 128 tokens; ROUGE-L, the largest over the references, as the mean over all instances.
 */
import { counterparts, drawQueries } from '../draws.ts';
import type { EvalTask } from '../task.ts';
import { whyNot } from '../task.ts';
import type { Evidence, Trial } from '../trial.ts';
import { usable } from './protocol.ts';
import type { Plan, Protocol, Settings } from './protocol.ts';

export const sni: Protocol = {
  name: 'sni',
  defaults: { shots: 2, queries: 100, seed: 1, adapterPer: 'task' },
  conditions: ['none', 'static', 'wrong', 'right'],
  primary: 'rougeL',
  others: ['exact', 'logLikelihood'],
  generates: true,
  maxNewTokens: 128,
  plan,
  units: (results) => results,
  unitName: 'tasks, weighted by their queries',
  weight: ({ queries }) => queries,
};

function plan(all: readonly EvalTask[], { shots, queries, seed }: Settings): Plan {
  const { tasks, skipped } = usable(all, (task) => whyNot(task) ?? (task.definition ? undefined : 'no definition'));
  const others = counterparts(tasks, seed);
  const evidence = new Map(tasks.map((task) => [task, evidenceOf(task, shots)]));
  const trials = tasks.flatMap((task) => drawQueries(task, queries, seed).map((query): Trial => {
    const other = others.get(task);
    return { task, repeat: 0, query, right: evidence.get(task)!, wrong: other && evidence.get(other) };
  }));
  return { trials, skipped };
}

/** Where a task has fewer positive examples, its first other examples follow. */
function evidenceOf({ id, definition, positives, support }: EvalTask, shots: number): Evidence {
  return { task: id, definition, examples: [...positives, ...support].slice(0, shots).map(({ input, output }) => ({ input, output })) };
}
