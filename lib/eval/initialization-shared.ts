/** The shared start: one adapter tuned on examples of many tasks, so that it knows the format but no single task. */
import type { Adapter } from '../adapters/adapter.ts';
import { Random } from '../data/random.ts';
import type { TaskSource } from '../data/task.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';

export interface SharedOptions {
  steps?: number;
  batchRows?: number;
  /** Examples drawn from the tasks. */
  examples?: number;
  learningRate?: number;
  seed?: number;
  signal?: AbortSignal;
  onStep?: (done: number, total: number) => void;
}

/** Tunes a fresh adapter of the sizes of `like`, the rate falling to a tenth. */
export async function trainShared(model: HyperT5, like: Adapter, source: TaskSource, { steps = 600, batchRows = 32, examples = 8192, learningRate, seed = 0, signal, onStep }: SharedOptions = {}): Promise<Adapter> {
  const rng = Random.stream(seed, 'shared');
  const pool = Array.from({ length: examples }, () => source.draw(rng).sample(rng));
  const fresh = await model.newAdapter({ like, seed });
  try {
    return await fresh.tune(pool, { steps, batchRows, learningRate, seed, signal, schedule: { warmup: Math.min(20, steps), decayFrom: 0.3, floor: 0.1 }, onStep: ({ step }) => onStep?.(step + 1, steps) });
  } finally {
    fresh.dispose();
  }
}
