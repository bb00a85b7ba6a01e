/**
 * The step iterator: every part of a step adds the gradients of its microbatches, then the optimiser updates once. The next
 * batches are built while the native step runs on its own thread.
 */
import { setImmediate } from 'node:timers/promises';
import { packingShare } from '../data/packing.ts';
import type { Packed } from '../data/packing.ts';
import { Prefetch } from '../data/prefetch.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { UpdateResult } from './optimizer.ts';
import type { Objective, StepResult, TextRows } from './objectives.ts';
import type { Schedule } from './schedule.ts';
import { checkSchedule, learningRate } from './schedule.ts';

/** One of the objectives that a step trains together. */
export interface Part {
  name: string;
  // Each part has batches of its own type, and only its own objective sees them.
  objective: Objective<any>;
  /** Pure in step and microbatch: the same arguments give the same batch. */
  batch: (step: number, microbatch: number) => TextRows | Promise<TextRows>;
  /** Batches per step; 1 when absent. */
  microbatches?: number;
  /** What validation reports beside this part's loss, and no step trains. */
  controls?: readonly Part[];
}

export interface PartLoss {
  name: string;
  /** Mean per answer token, in nats. */
  loss: number;
  tokens: number;
}

export interface TrainingStep {
  /** Counted from 0. */
  step: number;
  /** Mean loss per answer token of all parts, in nats: what the gradient is of. */
  loss: number;
  tokens: number;
  parts: PartLoss[];
  /** Norm of the mean gradient before clipping. */
  norm: number;
  lr: number;
  seconds: number;
  /** Time in which there was no batch to run. */
  waitSeconds: number;
  /** Tokens of all inputs (encoder, decoder, hypermodel) per second. */
  tokensPerSecond: number;
  /** Share of real tokens that padding each batch to its longest rows would have had. */
  realShare: number;
}

/** What the loop asks of an optimiser. */
export interface StepOptimizer {
  readonly step: number;
  prepare(): void;
  update(lr: number, count: number): Promise<UpdateResult>;
}

export interface TrainOptions {
  parts: readonly Part[];
  optimizer: StepOptimizer;
  schedule: Schedule;
  /** First step to run; the optimiser's own count decides when absent. */
  from?: number;
  signal?: AbortSignal;
}

/** The batch in which a step went wrong, for whoever wants to look into it; `cause` of the NUMERIC error. */
export class BrokenStep extends Error {
  readonly step: number;
  /** The part whose loss is not finite; undefined where only the gradient is not. */
  readonly part: string | undefined;
  /** The step's batches up to and with the broken one. */
  readonly batches: readonly { part: Part; microbatch: number; batch: TextRows }[];

  constructor(step: number, part: string | undefined, batches: BrokenStep['batches']) {
    super(`step ${step}`);
    this.step = step;
    this.part = part;
    this.batches = batches;
  }
}

/**
 * Runs the schedule's remaining steps. Throws NUMERIC with a BrokenStep as its cause when a loss or the gradient is not finite,
 * with the parameters as they were before that step; CONFIG_INVALID for a schedule that gives no usable rates; ABORTED between steps; what building a batch throws, at its step.
 */
export async function* train({ parts, optimizer, schedule, from = optimizer.step, signal }: TrainOptions): AsyncGenerator<TrainingStep> {
  checkSchedule(schedule);
  const slots = parts.flatMap((part) => Array.from({ length: part.microbatches ?? 1 }, (_, microbatch) => ({ part, microbatch })));
  const end = schedule.steps * slots.length;
  const build = async (index: number): Promise<TextRows | undefined> => {
    const { part, microbatch } = slots[index % slots.length];
    return index < end ? part.batch(Math.floor(index / slots.length), microbatch) : undefined;
  };
  if (from < schedule.steps) await prepare(parts, optimizer);
  const batches = new Prefetch(build, from * slots.length);
  try {
    for (let step = from; step < schedule.steps; step++) {
      if (signal?.aborted) throw new HypertuneError('ABORTED', `training was aborted before step ${step}.`, { field: 'signal' });
      yield await trainStep(step, slots, batches, optimizer, schedule);
    }
  } finally {
    batches.dispose();
  }
}

/** Everything is compiled before the first step; timers and sockets have their turns in between. */
async function prepare(parts: readonly Part[], optimizer: StepOptimizer): Promise<void> {
  optimizer.prepare();
  await setImmediate();
  for (const { objective } of parts) {
    await objective.prepare();
    await setImmediate();
  }
}

interface Slot {
  part: Part;
  microbatch: number;
}

async function trainStep(step: number, slots: readonly Slot[], batches: Prefetch<TextRows | undefined>, optimizer: StepOptimizer, schedule: Schedule): Promise<TrainingStep> {
  const [started, waited] = [performance.now(), batches.waited];
  const losses = new Map<Part, PartLoss>();
  const seen: (Slot & { batch: TextRows })[] = [];
  const size = { tokens: 0, padded: 0 };
  for (const { part, microbatch } of slots) {
    const batch = (await batches.next())!;
    seen.push({ part, microbatch, batch });
    measure(batch, size);
    const { loss, tokens }: StepResult = await part.objective.accumulate(batch, { step, microbatch });
    if (!Number.isFinite(loss)) throw broken(`the loss of part ${part.name} in step ${step} is ${loss}.`, new BrokenStep(step, part.name, seen));
    const sum = losses.get(part) ?? { name: part.name, loss: 0, tokens: 0 };
    losses.set(part, { ...sum, loss: sum.loss + loss, tokens: sum.tokens + tokens });
  }
  const parts = [...losses.values()];
  const tokens = parts.reduce((n, p) => n + p.tokens, 0);
  const loss = parts.reduce((sum, p) => sum + p.loss, 0) / tokens;
  const lr = learningRate(schedule, step);
  const { norm } = await optimizer.update(lr, tokens).catch((error: unknown) => {
    throw error instanceof HypertuneError && error.code === 'NUMERIC' ? broken(`the gradient of step ${step} is not finite.`, new BrokenStep(step, undefined, seen)) : error;
  });
  const seconds = (performance.now() - started) / 1000;
  return {
    step, loss, tokens, parts: parts.map((p) => ({ ...p, loss: p.tokens ? p.loss / p.tokens : 0 })), norm, lr, seconds,
    waitSeconds: batches.waited - waited, tokensPerSecond: size.tokens / seconds, realShare: size.tokens / size.padded,
  };
}

function broken(message: string, cause: BrokenStep): HypertuneError {
  return new HypertuneError('NUMERIC', message, { field: 'loss', remedy: 'Lower the learning rate, or look for broken data in this batch.', cause });
}

/** Adds a batch's tokens, and what they would be if every row were as long as the longest. */
function measure(batch: TextRows & { hyper?: Packed }, size: { tokens: number; padded: number }): void {
  for (const packed of [batch.encoder, batch.decoder, batch.hyper]) {
    if (!packed) continue;
    const { tokens, padded } = packingShare(packed.offsets);
    size.tokens += tokens;
    size.padded += padded;
  }
}
