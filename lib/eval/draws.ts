/** Seeded draws of shots, queries and counterparts. Each is a function of the seed and the names alone, not of other draws. */
import type { FewShotExample } from '../data/formats.ts';
import { Random } from '../data/random.ts';
import { drawDistinct, poolTask } from '../data/task.ts';
import type { EvalTask } from './task.ts';
import type { Evidence } from './trial.ts';

/** Up to `shots` examples with different inputs. */
export function drawShots(task: EvalTask, shots: number, rng: Random): Evidence {
  return { task: task.id, examples: drawDistinct(poolTask(task.id, task.support), shots, rng) };
}

/** Up to `count` queries, in random order. */
export function drawQueries(task: EvalTask, count: number, seed: number): FewShotExample[] {
  const { queries } = task;
  return Random.stream(seed, 'queries', task.id).pick(queries, Math.min(count, queries.length));
}

/** At most `limit` tasks of every group, in the order given. */
export function limitTasks(tasks: readonly EvalTask[], limit: number, seed: number): EvalTask[] {
  const kept = new Set([...byGroup(tasks)].flatMap(([group, members]) => Random.stream(seed, 'limit', group).pick(members, Math.min(limit, members.length))));
  return tasks.filter((task) => kept.has(task));
}

/**
 * The task whose evidence is the wrong one: the next of another cluster in a ring through the group, drawn at random, so that each is taken
 * about once; the next of all where the group is one cluster, none where it is one task.
 */
export function counterparts(tasks: readonly EvalTask[], seed: number): Map<EvalTask, EvalTask> {
  const pairs = new Map<EvalTask, EvalTask>();
  for (const [group, members] of byGroup(tasks)) {
    const ring = Random.stream(seed, 'counterparts', group).shuffle(members);
    ring.forEach((task, i) => {
      const after = ring.map((_, step) => ring[(i + 1 + step) % ring.length]).filter((other) => other !== task);
      const other = after.find(({ cluster }) => cluster !== task.cluster) ?? after[0];
      if (other) pairs.set(task, other);
    });
  }
  return pairs;
}

/** The same examples with every label replaced by another, each by one of its own; undefined where the task has no closed set of labels. */
export function permuteLabels({ examples, ...rest }: Evidence, task: EvalTask, rng: Random): Evidence | undefined {
  if (!task.labels || examples.some(({ output }) => !task.labels!.includes(output))) return undefined;
  const shown = [...new Set(examples.map(({ output }) => output))];
  const cycle = rng.shuffle(shown.length > 1 ? shown : task.labels);
  const next = new Map(cycle.map((label, i) => [label, cycle[(i + 1) % cycle.length]]));
  return { ...rest, examples: examples.map(({ input, output }) => ({ input, output: next.get(output)! })) };
}

function byGroup(tasks: readonly EvalTask[]): Map<string, EvalTask[]> {
  const groups = new Map<string, EvalTask[]>();
  for (const task of tasks) groups.set(task.group, [...(groups.get(task.group) ?? []), task]);
  return groups;
}
