/** One process's share of a training run: everything open, at the step where the run stands. */
import { readdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { WordCache } from '../../data/word-cache.ts';
import type { DeviceBuffer, Engine } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { atomicWriteJson } from '../../files/atomic.ts';
import type { AtomicFs } from '../../files/atomic.ts';
import type { Parameter } from '../../t5/parameters.ts';
import type { Part } from '../loop.ts';
import type { RuleOptimizer, TrainedParameter } from '../optimizer.ts';
import { CheckpointFolder } from './checkpoint.ts';
import type { RunState } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import { DataSources } from './data.ts';
import { RunLog } from './log.ts';
import { openModels, openTrained, withBuffers } from './models.ts';
import type { Models } from './models.ts';
import { openOptimizer } from './optimizer.ts';
import { openParts } from './parts.ts';
import { planRun } from './plan.ts';
import type { RunPlan } from './plan.ts';

export interface SessionOptions {
  /** Called once, before the first step. */
  onPlan?: (plan: RunPlan) => void;
  /** A sentence for the user: what was left out, passed over, continued. */
  onNote?: (text: string) => void;
  /** @internal File operations of checkpoints; a test can make any of them fail. */
  fs?: AtomicFs;
}

export interface Session {
  readonly config: RunConfig;
  readonly models: Models;
  /** The models with the buffers that are validated and exported: averages, where those are asked for, else masters. */
  readonly shown: Models;
  readonly optimizer: RuleOptimizer;
  readonly parts: readonly Part[];
  /** Parts of the validation; none without it. */
  readonly heldOut: readonly Part[];
  /** All that a checkpoint holds. */
  readonly tensors: readonly Parameter[];
  readonly checkpoints: CheckpointFolder;
  readonly log: RunLog;
  state: RunState;
  /** Step of the newest checkpoint; -1: there is none. */
  saved: number;
}

/** Opens models, data and log, and goes to the newest whole checkpoint. Throws CONFIG_INVALID where the folder holds another run. */
export async function openSession(engine: Engine, config: RunConfig, { onPlan, onNote, fs }: SessionOptions): Promise<Session> {
  const models = await openModels(engine, config);
  const trained = await openTrained(config, models);
  const optimizer = openOptimizer(engine, trained, config.optimizer);
  await setImmediate(); // timers and sockets have their turns between the long parts
  const shown = withBuffers(models, shownBuffers(config, trained, optimizer));
  const data = new DataSources(new WordCache(models.tokenizer));
  const parts = await openParts(config.parts, config, data, models, optimizer);
  const heldOut = await openParts(config.validate?.parts ?? [], config, data, shown, optimizer);
  const tensors = [...trained, ...optimizer.state()];
  await setImmediate();

  await removeTemporaries(config.output);
  const checkpoints = new CheckpointFolder(path.join(config.output, 'checkpoints'), fs);
  await checkpoints.clean();
  const notes = [...data.notes];
  const last = (await checkpoints.list(notes))[0];
  const state = last?.state ?? { step: 0, tokens: 0, course: courseOf(config), best: null, stale: 0 };
  if (last) {
    requireSameCourse(config, last.state.course, last.folder);
    await checkpoints.load(engine, tensors, last);
    optimizer.resumeAt(state.step);
    notes.push(`continuing at step ${state.step} of ${config.schedule.steps} from ${last.folder}`);
  }
  for (const note of notes) onNote?.(note);
  onPlan?.(await planRun(config, models, trained, optimizer, parts, state.step));
  await atomicWriteJson(path.join(config.output, 'run.json'), config);
  const log = await RunLog.open(config, state.step);
  return { config, models, shown, optimizer, parts, heldOut, tensors, checkpoints, log, state, saved: last ? state.step : -1 };
}

function shownBuffers({ export: { average } }: RunConfig, trained: readonly TrainedParameter[], optimizer: RuleOptimizer): ReadonlyMap<string, DeviceBuffer> {
  if (average) return optimizer.averages();
  return new Map(trained.flatMap(({ name, master }) => (master ? [[name, master] as const] : [])));
}

/** The fields that decide what every step computes; a run cannot continue under others. */
function courseOf({ seed, dtype, t5, hyper, train, parts, optimizer, schedule }: RunConfig): Record<string, unknown> {
  return { seed, dtype, t5, hyper, train, parts, optimizer, schedule };
}

function requireSameCourse(config: RunConfig, stored: unknown, folder: string): void {
  const now = JSON.parse(JSON.stringify(courseOf(config))) as Record<string, unknown>;
  const then = Object(stored) as Record<string, unknown>;
  const field = Object.keys(now).find((name) => !isDeepStrictEqual(now[name], then[name]));
  if (field === undefined) return;
  throw new HypertuneError('CONFIG_INVALID', `${folder} is of a run with another ${field}.`, { field, remedy: 'Choose another output folder, or delete that run.' });
}

/** What a killed process left of files it was writing. */
async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (/^\.hypertune-.*\.tmp$/.test(name)) await unlink(path.join(folder, name)).catch(() => undefined);
}
