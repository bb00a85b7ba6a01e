/** Demonstration tasks: generated text under CC0, the same on every machine. */
import { HypertuneError } from '../engine/errors.ts';
import { drawEpisode } from './episodes.ts';
import type { GeneratedKind } from './families/universe.ts';
import { Universe } from './families/universe.ts';
import { Random } from './random.ts';
import type { Example, Task } from './task.ts';

/** How far a task is from what the shipped weights were trained on. */
export type Novelty =
  | 'seen task, new instances'
  | 'known operation, new parameters'
  | 'new composition'; // agrees with no trained function on more than a tenth of the inputs

export interface QuickstartTask {
  readonly id: string;
  /** What the function does; the model is not told. */
  readonly description: string;
  readonly novelty: Novelty;
  readonly shots: readonly Example[];
  /** Their inputs are different from those of `shots`. */
  readonly queries: readonly Example[];
}

const SHOTS = 8;
const QUERIES = 20;
const SEED = 2211;

const SEEN = ['primitive/swap12', 'primitive/drop-first', 'primitive/ends', 'pair/drop-first+swap-ends'];
const NEW_PARAMETERS: readonly GeneratedKind[] = ['marker', 'constant', 'label'];
const NEW_COMPOSITIONS = ['pair/middle+repeat-first', 'pair/odd+repeat-last', 'pair/swap-ends+rotate-left'];

function find(tasks: readonly Task[], id: string): Task {
  const task = tasks.find((candidate) => candidate.id === id);
  if (!task) throw new HypertuneError('INTERNAL', `no task ${id} on this side of the split`);
  return task;
}

function demonstrate(task: Task, novelty: Novelty): QuickstartTask {
  const { evidence, queries } = drawEpisode(task, SHOTS, QUERIES, Random.stream(SEED, 'quickstart', task.id));
  return { id: task.id, description: task.description, novelty, shots: evidence, queries };
}

/** Ten tasks with 8 examples and 20 fresh queries each. */
export function quickstartTasks(universe = new Universe()): QuickstartTask[] {
  const seen = [...universe.primitives, ...universe.trainedPairs];
  return [
    ...SEEN.map((id) => demonstrate(find(seen, id), 'seen task, new instances')),
    ...NEW_PARAMETERS.map((kind) => {
      const task = universe.heldOutOf(kind).draw(Random.stream(SEED, 'quickstart', kind));
      return demonstrate(task, 'known operation, new parameters');
    }),
    ...NEW_COMPOSITIONS.map((id) => demonstrate(find(universe.reallyNewPairs, id), 'new composition')),
  ];
}
