/** `hypertune train`: runs configurations one after the other, each from where it stands. */
import type { RunConfig } from '../train/run/config.ts';
import { readRunConfig } from '../train/run/config.ts';
import { trainRun } from '../train/run/run.ts';
import type { RunStep } from '../train/run/run.ts';
import type { Io } from './io.ts';
import { checkAborted, printJson, printLine } from './io.ts';
import { TrainProgress, describePlan, describeValidation } from './train-progress.ts';

export interface TrainCommandOptions {
  json?: boolean;
}

export async function trainCommand(io: Io, files: readonly string[], options: TrainCommandOptions): Promise<void> {
  // A mistake in the last of them should not show after hours of the first.
  const configs: RunConfig[] = [];
  for (const file of files) configs.push(await readRunConfig(file));
  for (const config of configs) await trainOne(io, config, options);
}

async function trainOne(io: Io, config: RunConfig, { json = false }: TrainCommandOptions): Promise<void> {
  checkAborted(io);
  const progress = new TrainProgress(io, config.schedule.steps);
  const say = (text: string) => {
    progress.clear();
    io.stderr.write(`${text}\n`);
  };
  let last: RunStep | undefined;
  try {
    const run = trainRun(config, { signal: io.signal, onNote: (text) => say(`note: ${text}`), onPlan: (plan) => say(describePlan(plan)) });
    for await (const step of run) {
      last = step;
      progress.step(step);
      if (step.validation) say(describeValidation(step.step + 1, step.validation));
    }
  } finally {
    progress.clear();
  }
  const result = { output: config.output, model: config.export.folder, step: last ? last.step + 1 : null, loss: last?.loss ?? null };
  if (json) await printJson(io, result);
  else await printLine(io, `${config.export.folder}: ${last ? `trained to step ${last.step + 1}, last loss ${last.loss.toFixed(4)}` : 'nothing was left to train'}`);
}
