/** What a run is about to do and what it needs, before its first step. */
import { HypertuneError } from '../../engine/errors.ts';
import type { Parameters } from '../../t5/parameters.ts';
import type { Part } from '../loop.ts';
import type { Optimizer, TrainedParameter } from '../optimizer.ts';
import type { RunConfig } from './config.ts';
import { rowsOf } from './config-parts.ts';
import type { Models } from './models.ts';

export interface ModelPlan {
  /** `t5` or `hyper-<kind>`. */
  name: string;
  trained: number;
  frozen: number;
}

export interface RunPlan {
  output: string;
  /** Where the run starts; 0 unless it continues. */
  from: number;
  steps: number;
  models: ModelPlan[];
  /** Weights, what the optimiser keeps (gradient sums too), and the intermediates of the largest part, in bytes. */
  bytes: { weights: number; optimizer: number; arena: number };
  /** Rows of one step: all parts and microbatches. */
  rowsPerStep: number;
}

const ELEMENT_BYTES = { f32: 4, bf16: 2, i32: 4, i8: 1 };

/** Compiles every part. Throws MEMORY_LIMIT, naming the part, where one does not fit. */
export async function planRun(config: RunConfig, models: Models, trained: readonly TrainedParameter[], optimizer: Optimizer, parts: readonly Part[], from: number): Promise<RunPlan> {
  const { t5, hyper } = models;
  const names = new Set(trained.map((p) => p.name));
  const sets: [string, Parameters][] = [['t5', t5.parameters], ...[...hyper].map(([kind, h]): [string, Parameters] => [`hyper-${kind}`, h.parameters])];
  const bytesOf = (list: readonly { buffer: TrainedParameter['buffer'] }[]) => list.reduce((n, { buffer }) => n + buffer.elements * ELEMENT_BYTES[buffer.dtype], 0);
  const gradients = trained.reduce((n, { buffer }) => n + buffer.elements * ELEMENT_BYTES.f32, 0);
  let arena = 0;
  for (const { name, objective } of parts) {
    try {
      arena = Math.max(arena, await objective.prepare()); // programs share one arena, as they run one after the other
    } catch (error) {
      if (!(error instanceof HypertuneError) || error.code !== 'MEMORY_LIMIT') throw error;
      throw new HypertuneError('MEMORY_LIMIT', `part ${name} does not fit into memory: ${error.message}`, { field: 'parts', remedy: 'Give it fewer rows or sets and more microbatches.', cause: error });
    }
  }
  return {
    output: config.output, from, steps: config.schedule.steps,
    models: sets.map(([name, parameters]) => {
      const moved = parameters.all().filter((p) => names.has(`${name}.${p.name}`)).reduce((n, p) => n + p.buffer.elements, 0);
      return { name, trained: moved, frozen: parameters.count() - moved };
    }),
    bytes: { weights: bytesOf(sets.flatMap(([, parameters]) => parameters.all())), optimizer: gradients + bytesOf(optimizer.state()), arena },
    rowsPerStep: config.parts.reduce((n, part) => n + part.microbatches * rowsOf(part), 0),
  };
}
