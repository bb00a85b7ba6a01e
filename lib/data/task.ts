/** A task: a distribution of (input, answer) pairs, and the sources that training draws tasks from. */
import { HypertuneError } from '../engine/errors.ts';
import type { Random } from './random.ts';

export interface Example {
  readonly input: string;
  readonly output: string;
}

export type TaskKind =
  | 'primitive' // one function of a word list
  | 'pair' // two of them, one after the other
  | 'constant' // an operation with a fixed word
  | 'marker' // words around a marker word
  | 'label' // a rule that answers with one of two label words
  | 'map' // every word replaced by its partner
  | 'affix' // an ending or a beginning put on or taken off
  | 'number' // numbers of a list, counts
  | 'pool'; // a fixed list of examples

export interface Task {
  /** Unique and stable: the kind and all parameters. */
  readonly id: string;
  readonly kind: TaskKind;
  /** A short natural phrase, e.g. `swap first two`. */
  readonly description: string;
  sample(rng: Random): Example;
  /** All examples, where the task is a fixed list of them. */
  readonly examples?: readonly Example[];
  /** Fixed examples that come with the description and are not among `examples`, as in Super-NaturalInstructions. */
  readonly positives?: readonly Example[];
}

export interface TaskSource {
  draw(rng: Random): Task;
}

/** A task of given examples, e.g. of a few-shot file. Throws EXAMPLES_EMPTY without any. */
export function poolTask(id: string, examples: readonly Example[], description = ''): Task {
  if (examples.length === 0) throw new HypertuneError('EXAMPLES_EMPTY', `task ${id} has no examples`, { field: 'examples' });
  return { id, kind: 'pool', description, examples, sample: (rng) => rng.choice(examples) };
}

/** Draws each of `tasks` with the same probability. */
export function taskList(tasks: readonly Task[]): TaskSource {
  if (tasks.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'expected at least one task', { field: 'tasks' });
  return { draw: (rng) => rng.choice(tasks) };
}

/** Draws a source in proportion to its weight, then a task of that source. */
export function mixSources(parts: readonly { source: TaskSource; weight: number }[]): TaskSource {
  const weights = parts.map((part) => part.weight);
  return { draw: (rng) => parts[rng.weighted(weights)].source.draw(rng) };
}

/**
 * Up to `count` examples with pairwise different inputs; fewer when the task has no more. A generated task counts as
 * exhausted after 50 draws in a row, and ten more per input found, that bring nothing new.
 */
export function drawDistinct(task: Task, count: number, rng: Random): Example[] {
  const byInput = new Map<string, Example>();
  if (task.examples) {
    for (const example of rng.shuffle(task.examples)) {
      if (byInput.size >= count) break;
      if (!byInput.has(example.input)) byInput.set(example.input, example);
    }
    return [...byInput.values()];
  }
  let misses = 0;
  while (byInput.size < count && misses < 50 + 10 * byInput.size) {
    const example = task.sample(rng);
    if (byInput.has(example.input)) {
      misses++;
    } else {
      byInput.set(example.input, example);
      misses = 0;
    }
  }
  return [...byInput.values()];
}
