/** Programs over whole sequences: encoder states, logits and likelihoods of given answers. */
import { Graph, compile, crossEntropy } from '../../graph/index.ts';
import type { Program, Value } from '../../graph/index.ts';
import { T5Stack } from '../stack.ts';
import type { DecodedModel } from './model.ts';

/** Sizes a full pass is planned for. */
export interface FullPassCapacity {
  /** Encoder tokens and rows. */
  tokens: number;
  rows: number;
  /** Decoder tokens and rows. */
  answerTokens: number;
  answers: number;
}

interface Encoded {
  stack: T5Stack;
  states: Value;
  rows: { offsets: Value; slots?: Value };
}

function encoded({ config, parameters, adaptation }: DecodedModel, g: Graph, capacity: Pick<FullPassCapacity, 'tokens' | 'rows'>): Encoded {
  const states = adaptation?.states(g);
  const stack = new T5Stack(g, config, parameters, { states });
  const count = g.symbol('E', capacity.rows);
  const rows = { offsets: g.feed('offsets', 'i32', [count.plus(1)]), slots: states && g.feed('slots', 'i32', [count]) };
  return { stack, rows, states: stack.encode(stack.embed(g.feed('ids', 'i32', [g.symbol('T', capacity.tokens)])), rows) };
}

/** Decoder states [U, d] under teacher forcing; decoder row r reads encoder row memoryRow[r]. */
function decoded(g: Graph, { stack, states, rows }: Encoded, capacity: FullPassCapacity): Value {
  const count = g.symbol('R', capacity.answers);
  const own = { offsets: g.feed('answerOffsets', 'i32', [count.plus(1)]), slots: rows.slots && g.feed('answerSlots', 'i32', [count]) };
  const x = stack.embed(g.feed('answerIds', 'i32', [g.symbol('U', capacity.answerTokens)]));
  return stack.decode(x, own, { states, rows, row: g.feed('memoryRow', 'i32', [count]) });
}

/** ids [T], offsets [E+1], slots [E] -> states [T, d]. */
export function statesProgram(model: DecodedModel, capacity: Pick<FullPassCapacity, 'tokens' | 'rows'>): Program<'states'> {
  const g = new Graph();
  return compile(model.engine, g, { fetches: { states: encoded(model, g, capacity).states } });
}

/** Beside the encoder's feeds answerIds [U], answerOffsets [R+1], answerSlots [R], memoryRow [R] -> logits [U, vocabSize]. */
export function logitsProgram(model: DecodedModel, capacity: FullPassCapacity): Program<'logits'> {
  const g = new Graph();
  const encoder = encoded(model, g, capacity);
  return compile(model.engine, g, { fetches: { logits: encoder.stack.logits(decoded(g, encoder, capacity)) } });
}

/** As `logitsProgram`, with labels [U] -> logp [U] of every label. */
export function scoreProgram(model: DecodedModel, capacity: FullPassCapacity): Program<'logp'> {
  const g = new Graph();
  const encoder = encoded(model, g, capacity);
  const x = decoded(g, encoder, capacity);
  const labels = g.feed('labels', 'i32', [g.symbol('U', capacity.answerTokens)]);
  const { logp } = crossEntropy(g, { x, ...encoder.stack.head(), labels, scale: encoder.stack.headScale });
  return compile(model.engine, g, { fetches: { logp } });
}
