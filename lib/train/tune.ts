/**
 * Parameter-efficient tuning of one adapter by gradient steps, the T5 frozen: the second stage of an adapter that a
 * hypermodel wrote (HyperTuning, Phang et al. 2023, section on initialisation), of a loaded one, or of a fresh one.
 */
import type { AdapterBank, AdapterLayout, Slot } from '../adapters/bank.ts';
import type { TokenEncoder } from '../data/encoder.ts';
import { requirePositiveInteger } from '../data/hyper-input.ts';
import type { Example } from '../data/task.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { Parameters } from '../t5/parameters.ts';
import { AdamW } from './adamw.ts';
import { train } from './loop.ts';
import type { TrainingStep } from './loop.ts';
import { statesObjective } from './objectives.ts';
import type { Schedule } from './schedule.ts';
import { ExampleRows } from './tune-rows.ts';
import type { TextWindow } from './tune-rows.ts';
import { TrainableStates } from './tune-states.ts';

export interface TuningOptions {
  /** Updates. Default 100. */
  steps?: number;
  /** Default 1e-3 for LoRA, 1e-2 for prefixes, 3e-2 for soft prompts; the smallest of its parts for a combined adapter. */
  learningRate?: number;
  /** Examples per update. Default 16, at most as many as there are. */
  batchRows?: number;
  /** Order of the examples; equal seeds give equal adapters, bit for bit. Default 0. */
  seed?: number;
  /** Learning rate over the steps; default: constant. */
  schedule?: Partial<Omit<Schedule, 'peak' | 'steps'>>;
  /** Decoupled weight decay (AdamW). Default 0. */
  weightDecay?: number;
  signal?: AbortSignal;
}

/** What tuning needs of a model. */
export interface TuningBase {
  /** The frozen T5. */
  parameters: Parameters;
  encoder: TokenEncoder;
  window: TextWindow;
}

/** What became of the examples. */
export interface TuneReport {
  examples: number;
  /** Examples whose query lost its beginning, or whose answer lost its end. */
  truncatedQueries: number;
  truncatedAnswers: number;
}

/** A run of tuning steps over one adapter's values. */
export class Tuning {
  readonly report: TuneReport;
  private readonly states: TrainableStates;
  private readonly base: TuningBase;
  private readonly bank: AdapterBank;
  private readonly rows: ExampleRows;
  private readonly options: ResolvedOptions;

  private constructor(base: TuningBase, bank: AdapterBank, states: TrainableStates, rows: ExampleRows, options: ResolvedOptions, report: TuneReport) {
    this.base = base;
    this.bank = bank;
    this.states = states;
    this.rows = rows;
    this.options = options;
    this.report = report;
  }

  /**
   * Starts from a slot's values, which stay as they are. Throws EXAMPLES_EMPTY, ARGUMENT_INVALID, ARGUMENT_RANGE,
   * MEMORY_LIMIT, HANDLE_CLOSED, CONFIG_UNSUPPORTED (int8 weights).
   */
  static async start(base: TuningBase, bank: AdapterBank, slot: Slot, examples: readonly Example[], options: TuningOptions): Promise<Tuning> {
    if (base.parameters.int8) {
      throw new HypertuneError('CONFIG_UNSUPPORTED', 'gradients do not pass int8 weights.', { field: 'dtype', remedy: "Load the model as 'f32' or 'bf16' to tune; the adapter then works on int8 weights too." });
    }
    const resolved = resolve(slot.layout, options);
    const states = await TrainableStates.of(bank, slot);
    try {
      const rows = new ExampleRows(base.encoder, examples, base.window, { rows: resolved.batchRows, seed: resolved.seed, prompt: states.promptIds, startId: bank.config.decoderStartTokenId });
      const { truncatedQueries, truncatedAnswers } = rows;
      return new Tuning(base, bank, states, rows, resolved, { examples: examples.length, truncatedQueries, truncatedAnswers });
    } catch (error) {
      states.dispose();
      throw error;
    }
  }

  /** One item after each update. Throws NUMERIC where loss or gradient is not finite, ABORTED between updates. */
  async *steps(): AsyncGenerator<TrainingStep> {
    const { bank, states, rows } = this;
    const { schedule, weightDecay, signal } = this.options;
    const trained = states.parameters.map((parameter) => ({ ...parameter, lrScale: 1, weightDecay: parameter.name.endsWith('.logit_bias') ? 0 : weightDecay }));
    const optimizer = new AdamW(bank.engine, trained);
    const objective = statesObjective(bank.engine, bank.config, this.base.parameters, states, optimizer, rows.capacity);
    try {
      yield* train({ parts: [{ name: 'tune', objective, batch: (step) => rows.batch(step) }], optimizer, schedule, signal });
    } finally {
      objective.dispose();
      optimizer.dispose();
    }
  }

  /** The present values as a new slot. Throws NUMERIC where one is not finite. */
  store(): Promise<Slot> {
    return this.states.store();
  }

  dispose(): void {
    this.states.dispose();
  }
}

interface ResolvedOptions {
  batchRows: number;
  seed: number;
  schedule: Schedule;
  weightDecay: number;
  signal?: AbortSignal;
}

function resolve(layout: AdapterLayout, { steps = 100, learningRate = defaultRate(layout), batchRows = 16, seed = 0, schedule, weightDecay = 0, signal }: TuningOptions): ResolvedOptions {
  requirePositiveInteger(steps, 'steps');
  requirePositiveInteger(batchRows, 'batchRows');
  if (!(learningRate > 0 && Number.isFinite(learningRate))) throw range('learningRate', learningRate, 'a finite number above 0');
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) throw range('weightDecay', weightDecay, 'a finite number of at least 0');
  if (!Number.isSafeInteger(seed) || seed < 0) throw range('seed', seed, 'a non-negative integer');
  return { batchRows, seed, weightDecay, signal, schedule: { warmup: 0, decayFrom: 1, floor: 0, ...schedule, peak: learningRate, steps } };
}

function defaultRate({ lowRank, prefix, promptLength }: AdapterLayout): number {
  return Math.min(lowRank.size ? 1e-3 : Infinity, prefix.length ? 1e-2 : Infinity, promptLength ? 3e-2 : Infinity);
}

function range(field: string, value: unknown, expected: string): HypertuneError {
  return new HypertuneError('ARGUMENT_RANGE', `${field}: expected ${expected}, got ${String(value)}.`, { field });
}
