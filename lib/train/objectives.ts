/**
 * What a step trains: a graph that adds the gradients of a summed cross-entropy to an optimiser's buffers and returns the sum.
 * Dividing by the number of answer tokens of all accumulations gives the token mean.
 */
import { setImmediate } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { Graph, compile, crossEntropy, gradients, scale, sum } from '../graph/index.ts';
import type { Program, RunInputs, Value } from '../graph/index.ts';
import type { HyperPart } from '../hyper/config.ts';
import { generate, hyperFeeds, hyperInputs } from '../hyper/hypermodel.ts';
import type { Hypermodel } from '../hyper/hypermodel.ts';
import type { T5Config } from '../t5/config.ts';
import type { Parameters } from '../t5/parameters.ts';
import { T5Stack, T5_BLOCKS } from '../t5/stack.ts';
import type { StackOptions } from '../t5/stack.ts';
import type { States } from '../t5/states.ts';
import type { Optimizer } from './optimizer.ts';

/** Packed rows: token ids and starts of rows. */
export interface PackedRows {
  ids: Int32Array;
  offsets: Int32Array;
}

/** Encoder input, decoder input and labels (-1: no loss) of a batch; decoder and labels share offsets. */
export interface TextRows {
  encoder: PackedRows;
  decoder: PackedRows;
  labels: Int32Array;
}

export interface EpisodeRows extends TextRows {
  /** Few-shot tokens, one row per evidence set. */
  hyper: PackedRows;
  /** Evidence set of each row. */
  setOfRow: Int32Array;
}

/** Largest sizes of a batch; storage is planned for them. */
export interface BatchCapacity {
  rows: number;
  encoderTokens: number;
  decoderTokens: number;
  sets?: number;
  hyperTokens?: number;
}

export interface StepResult {
  /** Sum over answer tokens of -log p. */
  loss: number;
  tokens: number;
}

export interface Objective<Batch> {
  /** Adds the batch's gradients. */
  accumulate(batch: Batch, at?: Draw): Promise<StepResult>;
  /** The loss alone, without dropout. */
  evaluate(batch: Batch): Promise<StepResult>;
  /**
   * Compiles what `accumulate` runs, in turns with other work of the event loop; the bytes of its intermediates at capacity.
   * Throws MEMORY_LIMIT where they do not fit.
   */
  prepare(): Promise<number>;
  /** A copy of the graph that `accumulate` runs, and the batch's inputs to it: to look for the node that went wrong. */
  inspect(batch: Batch, at?: Draw): { graph: Graph; inputs: RunInputs };
  dispose(): void;
}

/** Which of a run's batches this is: what dropout draws follows from it. */
export interface Draw {
  step: number;
  microbatch: number;
}

export interface ObjectiveOptions {
  /** In the models that train: share of activations set to 0, and a seed of two words (Philox; see lib/graph/ops/dropout.ts). */
  dropout?: { rate: number; seed: readonly [number, number] };
  /** Gradient checkpointing: the blocks are computed again in the backward pass instead of being kept. Same gradients, to the bit. */
  checkpointing?: boolean;
}

/** Text to text: every parameter of the T5 that the optimiser holds. */
export function textObjective(
  engine: Engine, config: T5Config, parameters: Parameters, optimizer: Optimizer, capacity: BatchCapacity, options: ObjectiveOptions = {},
): Objective<TextRows> {
  const build = (dropout?: DropoutFeeds): Built => {
    const g = new Graph();
    const loss = answerLoss(g, config, parameters, capacity, undefined, dropout?.(g));
    return { g, loss };
  };
  return objective(engine, optimizer, build, (batch) => ({ symbols: textSymbols(batch), feeds: textFeeds(batch) }), options);
}

/** Where a batch without evidence finds its states: every row reads slot 0. */
export interface StateSource {
  states(g: Graph): States;
  /** What the feeds that `states` declares hold. */
  readonly feeds: Readonly<Record<string, Int32Array>>;
}

/** Parameter-efficient tuning: the optimiser holds states of the frozen T5. */
export function statesObjective(engine: Engine, config: T5Config, parameters: Parameters, source: StateSource, optimizer: Optimizer, capacity: BatchCapacity, options: ObjectiveOptions = {}): Objective<TextRows> {
  const build = (dropout?: DropoutFeeds): Built => {
    const g = new Graph();
    const loss = answerLoss(g, config, parameters, capacity, source.states(g), dropout?.(g));
    return { g, loss };
  };
  return objective(engine, optimizer, build, (batch) => ({
    symbols: textSymbols(batch),
    feeds: { ...textFeeds(batch), ...source.feeds, slots: new Int32Array(batch.encoder.offsets.length - 1) },
  }), options);
}

/**
 * Hypertuning: the gradient reaches the hypermodel through the T5, and stops there unless the optimiser holds parameters of the
 * T5 too (HyperTuning+); a frozen T5 has no dropout either. `parts`: what of the hypermodel's kinds the T5 is given; default: all.
 */
export function hyperObjective(
  engine: Engine, config: T5Config, parameters: Parameters, hyper: Hypermodel, optimizer: Optimizer, capacity: BatchCapacity & Required<Pick<BatchCapacity, 'sets' | 'hyperTokens'>>,
  { parts, ...options }: ObjectiveOptions & { parts?: readonly HyperPart[] } = {},
): Objective<EpisodeRows> {
  const trainsT5 = parameters.all().some(({ buffer }) => !buffer.frozen);
  const build = (feeds?: DropoutFeeds): Built => {
    const g = new Graph();
    const dropout = feeds?.(g);
    const { states } = generate(g, hyper, hyperInputs(g, { sets: capacity.sets, tokens: capacity.hyperTokens }), { parts, dropout });
    const loss = answerLoss(g, config, parameters, capacity, states, trainsT5 ? dropout : undefined);
    return { g, loss };
  };
  return objective(engine, optimizer, build, (batch) => ({
    symbols: { ...textSymbols(batch), sets: batch.hyper.offsets.length - 1, hyperTokens: batch.hyper.ids.length },
    feeds: { ...textFeeds(batch), ...hyperFeeds(hyper.config, hyper.base, batch.hyper, parts), slots: batch.setOfRow },
  }), options);
}

/** -sum log p of the labels, f32 [1]. */
function answerLoss(g: Graph, config: T5Config, parameters: Parameters, capacity: BatchCapacity, states: States | undefined, dropout: Dropout | undefined): Value {
  const rows = g.symbol('rows', capacity.rows);
  const [encoderTokens, decoderTokens] = [g.symbol('encoderTokens', capacity.encoderTokens), g.symbol('decoderTokens', capacity.decoderTokens)];
  const slots = states && g.feed('slots', 'i32', [rows]);
  const encoderRows = { offsets: g.feed('encoder.offsets', 'i32', [rows.plus(1)]), slots };
  const decoderRows = { offsets: g.feed('decoder.offsets', 'i32', [rows.plus(1)]), slots };
  const stack = new T5Stack(g, config, parameters, { states, dropout });
  const memory = stack.encode(stack.embed(g.feed('encoder.ids', 'i32', [encoderTokens])), encoderRows);
  const hidden = stack.decode(stack.embed(g.feed('decoder.ids', 'i32', [decoderTokens])), decoderRows, { states: memory, rows: encoderRows });
  const labels = g.feed('labels', 'i32', [decoderTokens]);
  const { logp } = crossEntropy(g, { x: hidden, ...stack.head(), labels, scale: stack.headScale });
  return scale(g, { x: sum(g, { x: logp }), alpha: -1 });
}

function textSymbols({ encoder, decoder }: TextRows): Record<string, number> {
  return { rows: encoder.offsets.length - 1, encoderTokens: encoder.ids.length, decoderTokens: decoder.ids.length };
}

function textFeeds({ encoder, decoder, labels }: TextRows): Record<string, Int32Array> {
  return { 'encoder.ids': encoder.ids, 'encoder.offsets': encoder.offsets, 'decoder.ids': decoder.ids, 'decoder.offsets': decoder.offsets, labels };
}

type Dropout = NonNullable<StackOptions['dropout']>;
/** Declares the feeds of dropout. */
type DropoutFeeds = (g: Graph) => Dropout;

const dropoutFeeds: DropoutFeeds = (g) => ({ key: g.feed('dropout.key', 'i32', [4]), rate: g.feed('dropout.rate', 'f32', [1]) });

/** A graph up to its loss. */
interface Built {
  g: Graph;
  loss: Value;
}

const FIRST: Draw = { step: 0, microbatch: 0 };

function objective<Batch extends TextRows>(
  engine: Engine, optimizer: Optimizer, build: (dropout?: DropoutFeeds) => Built, inputs: (batch: Batch) => RunInputs, { checkpointing = false, dropout }: ObjectiveOptions,
): Objective<Batch> {
  const programs = new Map<boolean, Program<'loss'>>();
  const forward = (train: boolean): Built => build(train && dropout ? dropoutFeeds : undefined);
  const backward = ({ g, loss }: Built): void => optimizer.accumulate(g, gradients(g, [{ value: loss }], optimizer.values(g), { recompute: checkpointing ? T5_BLOCKS : undefined }));
  const graph = (train: boolean): Built => {
    const built = forward(train);
    if (train) backward(built);
    return built;
  };
  const keep = (train: boolean, { g, loss }: Built): Program<'loss'> => {
    const program = programs.get(train) ?? compile(engine, g, { fetches: { loss } });
    programs.set(train, program);
    return program;
  };
  const programOf = (train: boolean): Program<'loss'> => programs.get(train) ?? keep(train, graph(train));
  const prepare = async (): Promise<number> => {
    if (!programs.has(true)) {
      const built = forward(true);
      await setImmediate();
      backward(built);
      await setImmediate();
      keep(true, built);
    }
    return programOf(true).arenaBytes;
  };
  const inputsOf = (batch: Batch, at: Draw | undefined): RunInputs => {
    const given = inputs(batch);
    if (!at || !dropout) return given;
    return { ...given, feeds: { ...given.feeds, 'dropout.key': Int32Array.of(...dropout.seed, at.step, at.microbatch), 'dropout.rate': Float32Array.of(dropout.rate) } };
  };
  const run = async (train: boolean, batch: Batch, at?: Draw): Promise<StepResult> => {
    const { loss } = await programOf(train).run(inputsOf(batch, at));
    return { loss: loss[0], tokens: batch.labels.reduce((n, id) => n + Number(id >= 0), 0) };
  };
  return {
    accumulate: (batch, at = FIRST) => run(true, batch, at),
    evaluate: (batch) => run(false, batch),
    prepare,
    inspect: (batch, at = FIRST) => ({ graph: graph(true).g, inputs: inputsOf(batch, at) }),
    dispose: () => {
      for (const program of programs.values()) program.dispose();
    },
  };
}
