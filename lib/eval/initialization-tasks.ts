/** The tasks of an experiment. */
import type { FewShotExample } from '../data/formats.ts';
import type { Universe } from '../data/families/universe.ts';
import { Random } from '../data/random.ts';
import { drawDistinct, taskList } from '../data/task.ts';
import type { Task } from '../data/task.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { StartTask } from './initialization.ts';
import { splitLines } from './task.ts';

export interface TaskChoice {
  shots: number;
  queries: number;
  /** Most words of a task's inputs and of its answers, on average. */
  maxInputWords: number;
  maxOutputWords: number;
  limit: number;
  seed: number;
}

/** Short tasks with enough lines, each as likely as any other. Throws EXAMPLES_EMPTY where no task is left. */
export function chooseTasks(tasks: readonly { id: string; examples: readonly FewShotExample[] }[], { shots, queries, maxInputWords, maxOutputWords, limit, seed }: TaskChoice): StartTask[] {
  const fit = tasks
    .filter(({ examples }) => meanWords(examples, ({ input }) => input) <= maxInputWords && meanWords(examples, ({ output }) => output) <= maxOutputWords)
    .map(({ id, examples }): StartTask => ({ id, ...splitLines(examples) }))
    .filter((task) => task.queries.length >= queries && new Set(task.support.map(({ input }) => input)).size >= shots);
  if (fit.length === 0) {
    throw new HypertuneError('EXAMPLES_EMPTY', `none of ${tasks.length} tasks is short enough and has ${shots} examples and ${queries} queries.`, { field: 'tasks', remedy: 'Allow longer texts, or ask for fewer shots and queries.' });
  }
  return Random.stream(seed, 'tasks').pick(fit, Math.min(limit, fit.length));
}

/** As many lines of a generated task as the convention of task folders gives to shots. */
const GENERATED_SUPPORT = 32;

/** Generated tasks that no shipped weights were trained on, equally many of new parameters of each kind and of new compositions. */
export function generatedTasks(universe: Universe, { queries, limit, seed }: Pick<TaskChoice, 'queries' | 'limit' | 'seed'>): StartTask[] {
  const sources = [universe.heldOutOf('constant'), universe.heldOutOf('marker'), universe.heldOutOf('label'), taskList(universe.reallyNewPairs)];
  const rng = Random.stream(seed, 'generated');
  const tasks = new Map<string, Task>();
  // Draws may repeat a task, and a source may have fewer than its share.
  for (let draw = 0; tasks.size < limit && draw < 50 * limit; draw++) {
    const task = sources[draw % sources.length].draw(rng);
    tasks.set(task.id, task);
  }
  return [...tasks.values()].map((task) => {
    const examples = drawDistinct(task, GENERATED_SUPPORT + queries, rng).map((example) => ({ ...example, outputs: [example.output] }));
    return { id: task.id, ...splitLines(examples) };
  });
}

function meanWords(examples: readonly FewShotExample[], text: (example: FewShotExample) => string): number {
  return examples.reduce((sum, example) => sum + text(example).split(/\s+/).filter(Boolean).length, 0) / examples.length;
}
