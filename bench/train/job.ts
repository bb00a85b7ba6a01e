/** One kind of training of a run configuration, opened as a run opens it; and the same job as files for the peer. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { WordCache } from '../../lib/data/word-cache.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import { readJson } from '../../lib/files/json.ts';
import { saveT5 } from '../../lib/files/load-t5.ts';
import { saveHypermodel } from '../../lib/hyper/files.ts';
import type { HyperKind } from '../../lib/hyper/config.ts';
import type { JsonObject } from '../../lib/t5/fields.ts';
import { train as trainSteps } from '../../lib/train/loop.ts';
import type { Part, TrainingStep } from '../../lib/train/loop.ts';
import type { EpisodeRows, TextRows } from '../../lib/train/objectives.ts';
import type { TrainedParameter } from '../../lib/train/optimizer.ts';
import { learningRate } from '../../lib/train/schedule.ts';
import type { PartConfig } from '../../lib/train/run/config-parts.ts';
import type { RunConfig } from '../../lib/train/run/config.ts';
import { DataSources } from '../../lib/train/run/data.ts';
import { openModels, openTrained } from '../../lib/train/run/models.ts';
import type { Models } from '../../lib/train/run/models.ts';
import { openOptimizer } from '../../lib/train/run/optimizer.ts';
import { openParts } from '../../lib/train/run/parts.ts';

/** A hypermodel of that kind with the T5 frozen, on the run's episodes; or the T5 on its text part. */
export type JobKind = Exclude<HyperKind, 'both'> | 'text';
export const JOB_KINDS: readonly JobKind[] = ['prefix', 'lora', 'text'];

export interface Job {
  config: RunConfig;
  models: Models;
  trained: readonly TrainedParameter[];
  part: Part;
  /** Trains the next step of the schedule. */
  next(): Promise<TrainingStep>;
  dispose(): Promise<void>;
}

/** Throws CONFIG_INVALID where the configuration has no such part, and what opening a run throws. */
export async function openJob(run: RunConfig, kind: JobKind, steps: number): Promise<Job> {
  const config = await configOf(run, kind, steps);
  const engine = Engine.open({ device: 'cpu' });
  try {
    const models = await openModels(engine, config);
    const trained = await openTrained(config, models);
    const optimizer = openOptimizer(engine, trained, config.optimizer);
    const [part] = await openParts(config.parts, config, new DataSources(new WordCache(models.tokenizer)), models, optimizer);
    const loop = trainSteps({ parts: [part], optimizer, schedule: config.schedule });
    const next = async () => {
      const { value, done } = await loop.next();
      if (done) throw new HypertuneError('INTERNAL', `the schedule has only ${steps} steps.`);
      return value;
    };
    const dispose = async () => {
      await loop.return(undefined);
      await engine.dispose();
    };
    return { config, models, trained, part, next, dispose };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** The rate is constant from the first step: an error of the gradient then shows in the losses after it. Without dropout, whose draws nobody else repeats. */
async function configOf(run: RunConfig, kind: JobKind, steps: number): Promise<RunConfig> {
  const wanted: PartConfig['kind'] = kind === 'text' ? 'text' : 'episodes';
  const part = run.parts.find((p) => p.kind === wanted);
  if (!part) throw new HypertuneError('CONFIG_INVALID', `kind ${kind} needs a part of kind ${wanted}; the configuration has none.`, { field: 'parts', remedy: 'Choose other --kinds.' });
  const train = { ...run.train, t5: kind === 'text', hyper: kind !== 'text', dropout: 0, rules: [] };
  const alone = { train, dtype: 'f32', validate: null, earlyStop: null, schedule: { ...run.schedule, kind: 'constant', steps, warmup: 0 } } as const;
  if (kind === 'text') return { ...run, ...alone, hyper: [], parts: [part] };
  if (run.hyper.length === 0) throw new HypertuneError('CONFIG_INVALID', `kind ${kind} needs a hypermodel; the configuration has none.`, { field: 'hyper', remedy: 'Choose other --kinds.' });
  const [start] = run.hyper;
  const own = 'config' in start ? start.config : ((await readJson(path.join(start.folder, 'hyper_config.json'))) as JsonObject);
  return {
    ...run, ...alone, hyper: [{ config: { ...own, kind }, inherit: null }],
    parts: [{ ...part, ...(part.kind === 'episodes' && { states: null }) }],
  };
}

/** Weights, batches and rates of all steps, for `peer.py`; before the first step. */
export async function writeJob(folder: string, { config, models, trained, part }: Job): Promise<void> {
  const { optimizer, schedule } = config;
  if (optimizer.kind !== 'adamw') throw new HypertuneError('CONFIG_UNSUPPORTED', `the peer has no ${optimizer.kind}.`, { field: 'optimizer.kind', remedy: 'Use adamw.' });
  await mkdir(folder, { recursive: true });
  await saveT5(path.join(folder, 't5'), models.t5.config, models.t5.parameters, 'F32');
  for (const hyper of models.hyper.values()) await saveHypermodel(path.join(folder, 'hyper'), hyper, 'F32');
  const steps = [];
  for (let step = 0; step < schedule.steps; step++) {
    const batches = [];
    for (let m = 0; m < (part.microbatches ?? 1); m++) batches.push(listed(await part.batch(step, m)));
    steps.push({ lr: learningRate(schedule, step), batches });
  }
  const { beta1, beta2, eps, maxNorm } = optimizer;
  const parameters = trained.map(({ name, lrScale, weightDecay }) => ({ name, lrScale, weightDecay }));
  await writeFile(path.join(folder, 'job.json'), JSON.stringify({ optimizer: { beta1, beta2, eps, maxNorm }, parameters, steps }));
}

/** Rows as lists of ids. */
function listed(batch: TextRows | EpisodeRows): object {
  const rows = (ids: Int32Array, offsets: Int32Array) => Array.from({ length: offsets.length - 1 }, (_, r) => [...ids.subarray(offsets[r], offsets[r + 1])]);
  const { encoder, decoder, labels } = batch;
  const text = { encoder: rows(encoder.ids, encoder.offsets), decoder: rows(decoder.ids, decoder.offsets), labels: rows(labels, decoder.offsets) };
  return 'hyper' in batch ? { ...text, hyper: rows(batch.hyper.ids, batch.hyper.offsets), setOfRow: [...batch.setOfRow] } : text;
}
