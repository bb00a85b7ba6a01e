/** From logits to the next token. None of these has a gradient. */
import type { Graph } from '../graph.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

/** x - log sum exp(x) per row; f32 [R, V]. */
export function logSoftmax(g: Graph, { x, name }: { x: Value } & Named): Value {
  return g.node('log_softmax', { x }, {}, { name }).output('y');
}

export interface LogitRulesArgs extends Named {
  /** Logits [R, V]. */
  x: Value;
  /** i32 [R, H]: tokens so far, the first length[r] of them. */
  history: Value;
  /** i32 [R] */
  length: Value;
  /** i32 [E]: suppressed while length < minLength. */
  eos?: Value;
  /** i32 [B, L]: forbidden sequences, padded with -1. */
  banned?: Value;
  /** i32 [U]: forbidden ids. */
  suppress?: Value;
  /** 1 (default): off. Keskar et al. 2019, arXiv:1909.05858, section 4.1. */
  repetitionPenalty?: number;
  /** No n-gram of this length twice; 0 (default): off. */
  noRepeatNgram?: number;
  minLength?: number;
}

/** Logits under constraints, forbidden ones -inf; f32 [R, V]. */
export function logitRules(g: Graph, { x, history, length, eos, banned, suppress, repetitionPenalty = 1, noRepeatNgram = 0, minLength = 0, name }: LogitRulesArgs): Value {
  const attrs = { repetition_penalty: repetitionPenalty, no_repeat_ngram: noRepeatNgram, min_length: minLength };
  return g.node('logit_rules', { x, history, length, eos, banned, suppress }, attrs, { name }).output('y');
}

/** The k largest of each row, largest first, ties to the smaller id: value f32 [R, k], id i32 [R, k]. */
export function topK(g: Graph, { x, k, name }: { x: Value; k: number } & Named): { value: Value; id: Value } {
  const node = g.node('top_k', { x }, { k }, { name });
  return { value: node.output('value'), id: node.output('id') };
}

export interface SampleArgs extends Named {
  /** Logits [R, V]. */
  x: Value;
  /** Persistent i32 [R]: last token of each row. */
  token: Value;
  /** Persistent i32 [R]: tokens in history. */
  length: Value;
  /** Persistent i32 [R]: 1 for rows that have ended. */
  done: Value;
  /** Persistent i32 [R, H]. */
  history: Value;
  /** f32 [R, 4]: temperature (0: greedy), top_k (0: off), top_p (1: off), limit on length. */
  params: Value;
  /** i32 [R, 2] */
  seed: Value;
  /** i32 [E]: end tokens. */
  eos: Value;
  /** What a row yields once it is done. */
  pad: number;
}

/**
 * Effect: picks a token for every row that is not done and appends it to history. next i32 [R], logp f32 [R] under the
 * plain softmax of x, stop i32 [1]: 1 once all rows are done.
 */
export function sample(g: Graph, { x, token, length, done, history, params, seed, eos, pad, name }: SampleArgs): { next: Value; logp: Value; stop: Value } {
  const node = g.node('sample', { x, token, length, done, history, params, seed, eos }, { pad }, { name });
  return { next: node.output('next'), logp: node.output('logp'), stop: node.output('stop') };
}
