/**
 * Classification tasks as few-shot episodes see them: few classes at a time, so that the evidence can show each of them,
 * and in a part of the draws under names drawn at random, so that only the evidence says what a name means.
 */
import { LABEL_WORDS } from './families/words.ts';
import type { Random } from './random.ts';
import { poolTask } from './task.ts';
import type { Example, Task, TaskSource } from './task.ts';

export interface LabelViewOptions {
  /** Share of draws with random words for names. */
  renamed: number;
  /** Most classes of one draw; at least 2. */
  maxClasses: number;
}

/** A draw of a classification task; its description goes where the names no longer fit it. */
export function labelView(task: Task & { examples: readonly Example[] }, rng: Random, { renamed, maxClasses }: LabelViewOptions): Task {
  const labels = [...new Set(task.examples.map(({ output }) => output))];
  const count = Math.min(labels.length, rng.between(2, Math.max(2, maxClasses)));
  const kept = rng.pick(labels, count);
  const rename = rng.chance(renamed);
  const names = new Map(kept.map((label) => [label, label]));
  if (rename) rng.pick(LABEL_WORDS, count).forEach((word, i) => names.set(kept[i], word));
  const byLabel = kept.map((label) => task.examples.filter(({ output }) => output === label));
  const smallest = Math.max(1, Math.min(...byLabel.map((list) => list.length)));
  const examples = byLabel.flatMap((list) => rng.pick(list, Math.min(list.length, 2 * smallest))).map(({ input, output }) => ({ input, output: names.get(output)! }));
  return poolTask(task.id, examples, rename || count < labels.length ? '' : task.description);
}

/** Draws `source`'s tasks, those of `isLabel` as views. */
export function labelViews(source: TaskSource, isLabel: (task: Task) => boolean, options: LabelViewOptions): TaskSource {
  return {
    draw(rng) {
      const task = source.draw(rng);
      return task.examples && isLabel(task) ? labelView(task as Task & { examples: readonly Example[] }, rng, options) : task;
    },
  };
}
