/** The programs of a generate call: encode once, then one decoding step again and again. */
import { Graph, assign, compile, logSoftmax, sample, topK } from '../../graph/index.ts';
import type { Dim, Program, Value } from '../../graph/index.ts';
import { T5Stack } from '../stack.ts';
import type { DecodeContext } from './context.ts';
import type { DecodedModel } from './model.ts';
import type { TokenRules } from './options.ts';
import { constrain, hasRules } from './rules.ts';

/** ids [T], offsets [E+1], slots [E] -> keys and values of all cross-attention sites in the context's buffers. */
export function encodeProgram({ engine, config, parameters, adaptation }: DecodedModel, context: DecodeContext): Program<never> {
  const g = new Graph();
  const tokens = g.symbol('T', context.capacity.tokens);
  const rows = g.symbol('E', context.capacity.rows);
  const states = adaptation?.states(g);
  const packed = { offsets: g.feed('offsets', 'i32', [rows.plus(1)]), slots: states && g.feed('slots', 'i32', [rows]) };
  const stack = new T5Stack(g, config, parameters, { states });
  const encoded = stack.encode(stack.embed(g.feed('ids', 'i32', [tokens])), packed);
  context.crossValues(g, tokens).forEach((site, block) => {
    const { k, v } = stack.crossKV(block, { states: encoded, rows: packed });
    assign(g, { buffer: site.k, x: k });
    assign(g, { buffer: site.v, x: v });
  });
  return compile(engine, g, { fetches: {} });
}

interface StepState {
  token: Value;
  length: Value;
  ancestors?: Value;
}

/** Logits [R, V] of the next token. Feeds memoryOffsets [E+1], memoryRow [R], slots [R]; C is the number of cache rows. */
function stepLogits({ config, parameters, adaptation }: DecodedModel, context: DecodeContext, g: Graph, rows: Dim, state: StepState): Value {
  const { capacity } = context;
  const states = adaptation?.states(g);
  const stack = new T5Stack(g, config, parameters, { states });
  const x = stack.step({
    ...state, cacheLength: capacity.length,
    caches: context.cacheValues(g, g.symbol('C', capacity.rows).times(capacity.length)),
    cross: context.crossValues(g, g.symbol('T', capacity.tokens)),
    memoryOffsets: g.feed('memoryOffsets', 'i32', [g.symbol('E', capacity.rows).plus(1)]),
    memoryRow: g.feed('memoryRow', 'i32', [rows]),
    slots: states && g.feed('slots', 'i32', [rows]),
  });
  return stack.logits(x);
}

/** One token per row, drawn or greedy, appended to the context's history; stops once every row has ended. */
export function samplingProgram(
  model: DecodedModel, context: DecodeContext, eosCount: number, pad: number, rules: TokenRules,
): Program<'next' | 'logp' | 'stop'> {
  const g = new Graph();
  const rows = g.symbol('R', context.capacity.rows);
  const token = g.buffer(context.token, [rows]);
  const length = g.buffer(context.length, [rows]);
  const history = g.buffer(context.history, [rows, context.capacity.length]);
  const eos = g.feed('eos', 'i32', [eosCount]);
  const x = constrain(g, stepLogits(model, context, g, rows, { token, length }), history, length, eos, rules);
  const { next, logp, stop } = sample(g, {
    x, token, length, done: g.buffer(context.done, [rows]), history, pad, eos,
    params: g.feed('params', 'f32', [rows, 4]), seed: g.feed('seed', 'i32', [rows, 2]),
  });
  return compile(model.engine, g, { fetches: { next, logp, stop }, stop });
}

/** The `candidates` likeliest next tokens of each row; tokens, lengths, ancestors and history are fed. */
export function beamProgram(
  model: DecodedModel, context: DecodeContext, eosCount: number, candidates: number, rules: TokenRules,
): Program<'value' | 'id'> {
  const g = new Graph();
  const rows = g.symbol('R', context.capacity.rows);
  const cacheLength = context.capacity.length;
  const length = g.feed('length', 'i32', [rows]);
  const ancestors = g.feed('ancestors', 'i32', [rows, cacheLength]);
  const logits = stepLogits(model, context, g, rows, { token: g.feed('token', 'i32', [rows]), length, ancestors });
  let x = logSoftmax(g, { x: logits });
  if (hasRules(rules)) {
    x = constrain(g, x, g.feed('history', 'i32', [rows, cacheLength]), length, g.feed('eos', 'i32', [eosCount]), rules);
  }
  const { value, id } = topK(g, { x, k: candidates });
  return compile(model.engine, g, { fetches: { value, id } });
}
