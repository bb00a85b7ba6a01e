/** Generation and scoring with a T5 on an engine. */
import type { Engine } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import type { Program } from '../../graph/index.ts';
import type { T5Config } from '../config.ts';
import type { Parameters } from '../parameters.ts';
import { ContextPool } from './context-pool.ts';
import { logitsProgram, scoreProgram, statesProgram } from './full-pass.ts';
import type { FullPassCapacity } from './full-pass.ts';
import { generate } from './generate.ts';
import type { Adaptation, DecodedModel } from './model.ts';
import type { GenerateOptions, GenerationDefaults } from './options.ts';
import { capacity, checkIds, float32, pack } from './packing.ts';
import type { Packed } from './packing.ts';
import { ProgramCache } from './program-cache.ts';
import { resolveOptions } from './resolve.ts';
import type { Generated } from './sampling.ts';
import { checkSlots, rowSlots, slotsFeed } from './slots.ts';

/** Full-pass programs kept, by structure and capacity. */
const PROGRAMS_KEPT = 12;
const LEAST_TOKENS = 64;

export interface RowOptions {
  /** [inputs]: slot of each row in every state; absent: 0, no adaptation. */
  slots?: Int32Array;
  signal?: AbortSignal;
}

export interface GenerateCall extends GenerateOptions, RowOptions {
  /** Each step's tokens as they come, one per row, pad for rows that have ended. Not with beam search. */
  onStep?: (tokens: Int32Array) => void;
}

export interface Scores {
  /** Sum of log p: one list per input, one number per candidate. */
  logLikelihood: number[][];
  /** log p of every id. */
  perToken: Float32Array[][];
}

/** Packed rows of `width` values per token; row r holds tokens offsets[r] to offsets[r + 1]. */
export interface PackedValues {
  values: Float32Array;
  offsets: Int32Array;
  width: number;
}

/**
 * All methods take ids, one Int32Array per row. They throw ARGUMENT_INVALID, ARGUMENT_RANGE and LENGTH_EXCEEDED naming the
 * row, FEED_RANGE for a slot that does not exist, MEMORY_LIMIT, ABORTED and, after dispose, HANDLE_CLOSED. Calls may
 * overlap: the engine runs their steps one after the other.
 */
export class T5Decoder {
  private readonly model: DecodedModel;
  private readonly defaults: GenerationDefaults;
  private readonly contexts: ContextPool;
  private readonly programs = new ProgramCache(PROGRAMS_KEPT);
  private readonly running = new Set<Promise<unknown>>();
  private closed: Promise<void> | undefined;

  /** `defaults`: the model's own generation config. Engine, parameters and states stay the caller's. */
  constructor(engine: Engine, config: T5Config, parameters: Parameters, adaptation?: Adaptation, defaults: GenerationDefaults = {}) {
    this.model = { engine, config, parameters, adaptation };
    this.defaults = defaults;
    this.contexts = new ContextPool(engine, config);
  }

  /** Answers by input row, `numReturnSequences` of each row together. */
  generate(inputs: readonly Int32Array[], { slots, signal, onStep, ...options }: GenerateCall = {}): Promise<Generated> {
    return this.call(async () => {
      const packed = pack(inputs, 'inputs');
      const settings = resolveOptions(options, this.defaults, this.model.config, inputs.length);
      if (onStep && settings.beams > 1) {
        throw new HypertuneError('CONFIG_UNSUPPORTED', 'beam search has no tokens to show before it ends.', { field: 'onStep', remedy: 'Use numBeams: 1.' });
      }
      return generate(this.model, this.contexts, { inputs: packed, slots: rowSlots(slots, inputs.length), settings, signal, onStep });
    });
  }

  /** Likelihood of candidates[row][i], ids with the end token, given inputs[row]; every input is encoded once. */
  score(inputs: readonly Int32Array[], candidates: readonly (readonly Int32Array[])[], options: RowOptions = {}): Promise<Scores> {
    return this.call(async () => {
      const packed = pack(inputs, 'inputs');
      this.checkCandidates(candidates, inputs.length);
      const labels = pack(candidates.flat(), 'candidates');
      const memoryRow = Int32Array.from(candidates.flatMap((list, row) => list.map(() => row)));
      const answers = { ids: this.shifted(labels), offsets: labels.offsets };
      const { logp } = await this.fullPass('score', scoreProgram, packed, answers, memoryRow, options, { labels: labels.ids });
      const all = float32(logp);
      let next = 0;
      const perToken = candidates.map((list) => list.map(() => all.slice(labels.offsets[next], labels.offsets[++next])));
      return { perToken, logLikelihood: perToken.map((list) => list.map((row) => row.reduce((sum, p) => sum + p, 0))) };
    });
  }

  /** Encoder states [tokens, d]. */
  encode(inputs: readonly Int32Array[], { slots, signal }: RowOptions = {}): Promise<PackedValues> {
    return this.call(async () => {
      const { ids, offsets } = pack(inputs, 'inputs');
      const own = rowSlots(slots, inputs.length);
      const size = { tokens: capacity(ids.length, LEAST_TOKENS), rows: capacity(inputs.length, 1) };
      const program = this.program('states', size, () => statesProgram(this.model, size));
      const feeds = { ids, offsets, ...slotsFeed(program, 'slots', own) };
      checkSlots(own, [program]);
      const { states } = await program.run({ symbols: { T: ids.length, E: inputs.length }, feeds, signal });
      return { values: float32(states), offsets, width: this.model.config.dModel };
    });
  }

  /** Logits [tokens, vocabSize] after each of decoderIds[row], which begin with the start token. */
  logits(inputs: readonly Int32Array[], decoderIds: readonly Int32Array[], options: RowOptions = {}): Promise<PackedValues> {
    return this.call(async () => {
      const packed = pack(inputs, 'inputs');
      const answers = pack(decoderIds, 'decoderIds');
      if (decoderIds.length !== inputs.length) {
        throw new HypertuneError('ARGUMENT_INVALID', `has ${decoderIds.length} rows for ${inputs.length} inputs.`, { field: 'decoderIds' });
      }
      const { logits } = await this.fullPass('logits', logitsProgram, packed, answers, Int32Array.from(inputs.keys()), options);
      return { values: float32(logits), offsets: answers.offsets, width: this.model.config.vocabSize };
    });
  }

  /** Waits for calls in flight, then frees programs and caches. Idempotent. */
  dispose(): Promise<void> {
    this.closed ??= Promise.allSettled([...this.running]).then(() => {
      this.contexts.dispose();
      this.programs.dispose();
    });
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async call<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) throw new HypertuneError('HANDLE_CLOSED', 'the decoder has been disposed.', { field: 'decoder', remedy: 'Load the model again.' });
    const promise = work();
    this.running.add(promise);
    try {
      return await promise;
    } finally {
      this.running.delete(promise);
    }
  }

  private checkCandidates(candidates: readonly (readonly Int32Array[])[], inputs: number): void {
    if (!Array.isArray(candidates as unknown) || candidates.length !== inputs) {
      throw new HypertuneError('ARGUMENT_INVALID', `must hold one list for each of ${inputs} inputs.`, { field: 'candidates' });
    }
    candidates.forEach((list, row) => {
      pack(list, `candidates[${row}]`);
      list.forEach((ids, i) => checkIds(ids, this.model.config.vocabSize, `candidates[${row}][${i}]`));
    });
  }

  /** Every row moved right by one behind the start token. */
  private shifted({ ids, offsets }: Packed): Int32Array {
    const start = this.defaults.decoderStartTokenId ?? this.model.config.decoderStartTokenId;
    const shifted = new Int32Array(ids.length);
    shifted.set(ids.subarray(0, -1), 1);
    for (const offset of offsets.subarray(0, -1)) shifted[offset] = start;
    return shifted;
  }

  private program<F extends string>(name: string, size: object, build: () => Program<F>): Program<F> {
    const key = `${name} ${Object.values(size).join()}`;
    return this.contexts.withRoom(() => this.programs.get(this.model.adaptation?.key() ?? '', key, build));
  }

  private async fullPass<F extends string>(
    name: string, build: (model: DecodedModel, size: FullPassCapacity) => Program<F>, inputs: Packed, answers: Packed, memoryRow: Int32Array,
    { slots, signal }: RowOptions, more: Record<string, Int32Array> = {},
  ) {
    const [rows, answerRows] = [inputs.offsets.length - 1, memoryRow.length];
    const own = rowSlots(slots, rows);
    const size = {
      tokens: capacity(inputs.ids.length, LEAST_TOKENS), rows: capacity(rows, 1),
      answerTokens: capacity(answers.ids.length, LEAST_TOKENS), answers: capacity(answerRows, 1),
    };
    const program = this.program(name, size, () => build(this.model, size));
    checkSlots(own, [program]);
    return program.run({
      symbols: { T: inputs.ids.length, E: rows, U: answers.ids.length, R: answerRows },
      feeds: {
        ids: inputs.ids, offsets: inputs.offsets, answerIds: answers.ids, answerOffsets: answers.offsets, memoryRow,
        ...slotsFeed(program, 'slots', own), ...slotsFeed(program, 'answerSlots', memoryRow.map((m) => own[m])), ...more,
      },
      signal,
    });
  }
}
