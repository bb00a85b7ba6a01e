/**
 * What a step trains: a graph that adds the gradients of a summed cross-entropy to an optimiser's buffers and returns the sum.
 * Dividing by the number of answer tokens of all accumulations gives the token mean.
 */
import type { Engine } from '../engine/engine.ts';
import { Graph, compile, crossEntropy, gradients, scale, sum } from '../graph/index.ts';
import type { Program, Value } from '../graph/index.ts';
import type { HyperPart } from '../hyper/config.ts';
import { generate, hyperFeeds, hyperInputs } from '../hyper/hypermodel.ts';
import type { Hypermodel } from '../hyper/hypermodel.ts';
import type { T5Config } from '../t5/config.ts';
import type { Parameters } from '../t5/parameters.ts';
import { T5Stack } from '../t5/stack.ts';
import type { States } from '../t5/states.ts';
import type { AdamW } from './adamw.ts';

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
  accumulate(batch: Batch): Promise<StepResult>;
  /** The loss alone. */
  evaluate(batch: Batch): Promise<StepResult>;
  dispose(): void;
}

/** Text to text: every parameter of the T5 that the optimiser holds. */
export function textObjective(engine: Engine, config: T5Config, parameters: Parameters, optimizer: AdamW, capacity: BatchCapacity): Objective<TextRows> {
  const build = (train: boolean) => {
    const g = new Graph();
    const loss = answerLoss(g, config, parameters, capacity, undefined);
    return finish(engine, g, loss, train ? optimizer : undefined);
  };
  return objective(build, (batch) => ({ symbols: textSymbols(batch), feeds: textFeeds(batch) }));
}

/**
 * Hypertuning: the gradient reaches the hypermodel through the T5, and stops there unless the optimiser holds parameters of the
 * T5 too (HyperTuning+). `parts`: what of the hypermodel's kinds the T5 is given; default: all.
 */
export function hyperObjective(
  engine: Engine, config: T5Config, parameters: Parameters, hyper: Hypermodel, optimizer: AdamW, capacity: BatchCapacity & Required<Pick<BatchCapacity, 'sets' | 'hyperTokens'>>,
  { parts }: { parts?: readonly HyperPart[] } = {},
): Objective<EpisodeRows> {
  const build = (train: boolean) => {
    const g = new Graph();
    const { states } = generate(g, hyper, hyperInputs(g, { sets: capacity.sets, tokens: capacity.hyperTokens }), { parts });
    const loss = answerLoss(g, config, parameters, capacity, states);
    return finish(engine, g, loss, train ? optimizer : undefined);
  };
  return objective(build, (batch) => ({
    symbols: { ...textSymbols(batch), sets: batch.hyper.offsets.length - 1, hyperTokens: batch.hyper.ids.length },
    feeds: { ...textFeeds(batch), ...hyperFeeds(hyper.config, hyper.base, batch.hyper, parts), slots: batch.setOfRow },
  }));
}

/** -sum log p of the labels, f32 [1]. */
function answerLoss(g: Graph, config: T5Config, parameters: Parameters, capacity: BatchCapacity, states: States | undefined): Value {
  const rows = g.symbol('rows', capacity.rows);
  const [encoderTokens, decoderTokens] = [g.symbol('encoderTokens', capacity.encoderTokens), g.symbol('decoderTokens', capacity.decoderTokens)];
  const slots = states && g.feed('slots', 'i32', [rows]);
  const encoderRows = { offsets: g.feed('encoder.offsets', 'i32', [rows.plus(1)]), slots };
  const decoderRows = { offsets: g.feed('decoder.offsets', 'i32', [rows.plus(1)]), slots };
  const stack = new T5Stack(g, config, parameters, { states });
  const memory = stack.encode(stack.embed(g.feed('encoder.ids', 'i32', [encoderTokens])), encoderRows);
  const hidden = stack.decode(stack.embed(g.feed('decoder.ids', 'i32', [decoderTokens])), decoderRows, { states: memory, rows: encoderRows });
  const labels = g.feed('labels', 'i32', [decoderTokens]);
  const { logp } = crossEntropy(g, { x: hidden, w: stack.head(), labels, scale: stack.headScale });
  return scale(g, { x: sum(g, { x: logp }), alpha: -1 });
}

function finish(engine: Engine, g: Graph, loss: Value, optimizer: AdamW | undefined): Program<'loss'> {
  if (optimizer) optimizer.accumulate(g, gradients(g, [{ value: loss }], optimizer.values(g)));
  return compile(engine, g, { fetches: { loss } });
}

function textSymbols({ encoder, decoder }: TextRows): Record<string, number> {
  return { rows: encoder.offsets.length - 1, encoderTokens: encoder.ids.length, decoderTokens: decoder.ids.length };
}

function textFeeds({ encoder, decoder, labels }: TextRows): Record<string, Int32Array> {
  return { 'encoder.ids': encoder.ids, 'encoder.offsets': encoder.offsets, 'decoder.ids': decoder.ids, 'decoder.offsets': decoder.offsets, labels };
}

interface Inputs {
  symbols: Record<string, number>;
  feeds: Record<string, Int32Array>;
}

function objective<Batch extends TextRows>(build: (train: boolean) => Program<'loss'>, inputs: (batch: Batch) => Inputs): Objective<Batch> {
  const programs = new Map<boolean, Program<'loss'>>();
  const run = async (train: boolean, batch: Batch): Promise<StepResult> => {
    let program = programs.get(train);
    if (!program) programs.set(train, (program = build(train)));
    const { loss } = await program.run(inputs(batch));
    return { loss: loss[0], tokens: batch.labels.reduce((n, id) => n + Number(id >= 0), 0) };
  };
  return {
    accumulate: (batch) => run(true, batch),
    evaluate: (batch) => run(false, batch),
    dispose: () => {
      for (const program of programs.values()) program.dispose();
    },
  };
}
