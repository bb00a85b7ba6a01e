/** The training loop: accumulate, update, report; seeded batches make a resumed run see the same data. */
import { HypertuneError } from '../engine/errors.ts';
import type { AdamW } from './adamw.ts';
import type { Objective } from './objectives.ts';
import type { Schedule } from './schedule.ts';
import { learningRate } from './schedule.ts';

export interface TrainingStep {
  /** Counted from 0. */
  step: number;
  /** Mean loss per answer token, in nats. */
  loss: number;
  tokens: number;
  norm: number;
  lr: number;
  seconds: number;
}

export interface TrainOptions<Batch> {
  objective: Objective<Batch>;
  optimizer: AdamW;
  schedule: Schedule;
  /** Pure in the step (and microbatch): the same arguments give the same batch. */
  batch: (step: number, microbatch: number) => Batch;
  accumulations?: number;
  /** First step to run; the optimiser's own count decides when absent. */
  from?: number;
  signal?: AbortSignal;
}

/** Runs the schedule's remaining steps. Throws NUMERIC, naming the step, when a loss is not finite; ABORTED between steps. */
export async function* train<Batch>(options: TrainOptions<Batch>): AsyncGenerator<TrainingStep> {
  const { objective, optimizer, schedule, batch, accumulations = 1, signal } = options;
  for (let step = options.from ?? optimizer.step; step < schedule.steps; step++) {
    if (signal?.aborted) throw new HypertuneError('ABORTED', `training was aborted before step ${step}.`, { field: 'signal' });
    const started = performance.now();
    let [loss, tokens] = [0, 0];
    for (let micro = 0; micro < accumulations; micro++) {
      const result = await objective.accumulate(batch(step, micro));
      loss += result.loss;
      tokens += result.tokens;
    }
    if (!Number.isFinite(loss)) throw new HypertuneError('NUMERIC', `the loss of step ${step} is ${loss}.`, { field: 'loss', remedy: 'Lower the learning rate, or look for broken data in this batch.' });
    const lr = learningRate(schedule, step);
    const { norm } = await optimizer.update(lr, tokens);
    yield { step, loss: loss / tokens, tokens, norm, lr, seconds: (performance.now() - started) / 1000 };
  }
}
