/** A training run in its folder: starts, or continues at the last checkpoint, and ends with the exported model. */
import { Engine, cpuSettings } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { makeFolder } from '../../files/io.ts';
import { BrokenStep, train } from '../loop.ts';
import type { TrainingStep } from '../loop.ts';
import type { RunConfig } from './config.ts';
import { diagnose } from './diagnose.ts';
import { exportModels } from './export.ts';
import { lockFolder } from './lock.ts';
import type { Models } from './models.ts';
import { openSession } from './session.ts';
import type { Session, SessionOptions } from './session.ts';
import { validate } from './validation.ts';
import type { Validation } from './validation.ts';

export interface RunOptions extends SessionOptions {
  /** Aborted: the step is finished and a checkpoint written before ABORTED is thrown. */
  signal?: AbortSignal;
  onCheckpoint?: (folder: string) => void;
  /** Measures the models at every validation; the scores go into the metrics. */
  evaluate?: (models: Models, step: number) => Promise<Record<string, number>>;
}

export interface RunStep extends TrainingStep {
  /** Where one followed the step. */
  validation?: Validation;
}

/**
 * Runs what is left of a training run, step by step, and exports the model. A run that was stopped, killed or that failed
 * continues at its last checkpoint with the same call, bit for bit as if nothing had happened (on one device and instruction set).
 * Throws CONFIG_INVALID (also where the folder holds another run), FILE_*, TENSOR_*, MEMORY_LIMIT, NUMERIC naming the node that
 * went wrong first, and ABORTED; the last checkpoint is whole in every case.
 */
export async function* trainRun(config: RunConfig, options: RunOptions = {}): AsyncGenerator<RunStep> {
  requireNotAborted(options.signal, 'before it began');
  if (config.threads !== null) cpuSettings({ threads: config.threads });
  await makeFolder(config.output);
  const unlock = await lockFolder(config.output);
  try {
    const engine = Engine.open({ device: config.device });
    try {
      const session = await openSession(engine, config, options);
      try {
        yield* steps(session, options);
        await finish(session);
      } finally {
        await session.log.close();
      }
    } finally {
      await engine.dispose();
    }
  } finally {
    await unlock();
  }
}

async function* steps(session: Session, options: RunOptions): AsyncGenerator<RunStep> {
  const { config, parts, optimizer, log } = session;
  const { schedule, checkpoint, earlyStop } = config;
  const stopped = () => earlyStop !== null && session.state.stale >= earlyStop.patience;
  const loop = train({ parts, optimizer, schedule, from: stopped() ? schedule.steps : session.state.step });
  for (;;) {
    const { value: step, done } = await loop.next().catch((error: unknown) => explain(session, error));
    if (done) return;
    await log.step(step);
    session.state = { ...session.state, step: step.step + 1, tokens: session.state.tokens + step.tokens };
    const last = session.state.step === schedule.steps;
    const { validation, best } = await validateIfDue(session, last, options);
    if (best || last || stopped() || options.signal?.aborted || session.state.step % checkpoint.every === 0) await save(session, options);
    yield { ...step, ...(validation && { validation }) };
    if (last || stopped()) return;
    if (!options.signal?.aborted) continue;
    await save(session, options); // the signal may have come with the step's delivery
    requireNotAborted(options.signal, `after step ${session.state.step} of ${schedule.steps}; a checkpoint is written`);
  }
}

async function validateIfDue(session: Session, last: boolean, { evaluate }: RunOptions): Promise<{ validation?: Validation; best: boolean }> {
  const { config, heldOut, log, shown } = session;
  const { step } = session.state;
  if (!config.validate || !(last || step % config.validate.every === 0)) return { best: false };
  const losses = await validate(heldOut, config.validate.batches);
  const validation = evaluate ? { ...losses, scores: await evaluate(shown, step) } : losses;
  await log.validation(step, validation);
  const { best } = session.state;
  const better = best === null || validation.loss < best.loss - (config.earlyStop?.minDelta ?? 0);
  session.state = { ...session.state, best: better ? { step, loss: validation.loss } : best, stale: better ? 0 : session.state.stale + 1 };
  return { validation, best: better };
}

/** Log first: a checkpoint never knows more steps than the log. */
async function save(session: Session, { onCheckpoint }: RunOptions): Promise<void> {
  const { config, models, state, tensors, checkpoints, log } = session;
  if (session.saved === state.step) return;
  await log.sync();
  const folder = await checkpoints.write(models.engine, tensors, state);
  session.saved = state.step;
  await checkpoints.prune(config.checkpoint.keep, state.best?.step);
  onCheckpoint?.(folder);
}

async function finish({ config, models, shown, tensors, checkpoints, state }: Session): Promise<void> {
  if (config.export.from === 'best' && state.best && state.best.step !== state.step) {
    const best = (await checkpoints.list()).find((c) => c.state.step === state.best!.step);
    if (!best) throw new HypertuneError('FILE_NOT_FOUND', `the checkpoint of the best step, ${state.best.step}, is gone.`, { field: 'export.from', remedy: 'Set export.from to "last" and run again: only the export is left to do.' });
    await checkpoints.load(models.engine, tensors, best);
  }
  await exportModels(config, shown);
}

async function explain({ config, models }: Session, error: unknown): Promise<never> {
  if (error instanceof HypertuneError && error.cause instanceof BrokenStep) throw await diagnose(models.engine, models.tokenizer, config.output, error, error.cause);
  throw error;
}

function requireNotAborted(signal: AbortSignal | undefined, when: string): void {
  if (signal?.aborted) throw new HypertuneError('ABORTED', `training was interrupted ${when}.`, { field: 'signal', remedy: 'Start the same run again to continue.' });
}
