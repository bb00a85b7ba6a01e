/** Tasks of the generated universe as an evaluation sees them, with examples drawn anew. */
import type { GeneratedKind } from '../data/families/universe.ts';
import { Universe } from '../data/families/universe.ts';
import type { FewShotExample } from '../data/formats.ts';
import { Random } from '../data/random.ts';
import { drawDistinct, taskList } from '../data/task.ts';
import type { Task, TaskSource } from '../data/task.ts';
import { closedLabels, splitLines } from './task.ts';
import type { EvalTask } from './task.ts';

export interface GeneratedOptions {
  tasksPerGroup?: number;
  /** Least examples that are left for queries. */
  queries?: number;
  seed?: number;
  universe?: Universe;
}

/** Kinds that training draws tasks of, and those that have parameters training never draws. */
const TRAINED: readonly GeneratedKind[] = ['primitive', 'pair', 'constant', 'marker', 'label', 'map', 'affix', 'number'];
const HELD_OUT: readonly GeneratedKind[] = ['primitive', 'constant', 'marker', 'label', 'map', 'affix'];
const SUPPORT = 32;

const MIXTURE = 'training mixture';
/** It has so many times the tasks of a kind. */
const MIXTURE_SHARE = 4;

/**
 * A group for each trained kind (its tasks may have been seen in training, their examples hardly: those are drawn from the seed here), for
 * each kind with parameters that training never draws, `really new`: compositions that resemble no trained function, and
 * `training mixture`: tasks as training draws them, kinds in their shares.
 */
export function generatedTasks({ tasksPerGroup = 20, queries = SUPPORT, seed = 1, universe = new Universe() }: GeneratedOptions = {}): EvalTask[] {
  const groups: [string, TaskSource, number?][] = [
    ...TRAINED.map((kind): [string, TaskSource] => [kind, universe.trainedOf(kind)]),
    ...HELD_OUT.map((kind): [string, TaskSource] => [`${kind}, held out`, universe.heldOutOf(kind)]),
    ['really new', taskList(universe.reallyNewPairs)],
    [MIXTURE, universe.trained, MIXTURE_SHARE * tasksPerGroup],
  ];
  return groups.flatMap(([group, source, count = tasksPerGroup]) => {
    const tasks = distinctTasks(source, count, Random.stream(seed, 'generated', group));
    // A task may be in its kind's group and in the mixture.
    return tasks.map((task) => ({ ...toEvalTask(task, group, SUPPORT + Math.max(queries, SUPPORT), seed), ...(group === MIXTURE && { id: `mixture/${task.id}` }) }));
  });
}

/** Trained tasks of all kinds in the shares of training, for the static adapter. */
export function generatedTraining(count: number, seed: number, universe = new Universe()): EvalTask[] {
  return distinctTasks(universe.trained, count, Random.stream(seed, 'generated training')).map((task) => toEvalTask(task, 'training', 2 * SUPPORT, seed));
}

function toEvalTask(task: Task, group: string, count: number, seed: number): EvalTask {
  const drawn = drawDistinct(task, count, Random.stream(seed, 'generated examples', task.id));
  const options = task.kind === 'label' ? [...new Set(drawn.map(({ output }) => output))].sort() : undefined;
  const lines = drawn.map(({ input, output }): FewShotExample => ({ input, output, outputs: [output], ...(options && { options }) }));
  return { id: task.id, group, cluster: task.id, positives: [], labels: closedLabels(lines), ...splitLines(lines) };
}

/** Up to `count` different tasks; a source with fewer gives what comes up in 50 draws for each. */
function distinctTasks(source: TaskSource, count: number, rng: Random): Task[] {
  const tasks = new Map<string, Task>();
  for (let i = 0; i < 50 * count && tasks.size < count; i++) {
    const task = source.draw(rng);
    tasks.set(task.id, task);
  }
  return [...tasks.values()];
}
