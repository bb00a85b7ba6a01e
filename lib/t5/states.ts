/**
 * What the frozen T5 knows of adaptation: states at its attach points, chosen by row. Methods only produce states
 * (lib/adapters, lib/hyper); a state is a slot of a bank or a value of the graph, and `apply` is the same for both.
 */
import type { LowRank, Prefix, Value } from '../graph/index.ts';

/** Keys and values in front of one attention site (attach point H2); the row's slot comes from its rows. */
export type KVPrefix = Omit<Prefix, 'slot'>;

export interface States {
  /** Low-rank term of a linear by its module path, e.g. `encoder.block.0.layer.0.SelfAttention.q` (attach point H3). */
  lowRank?(path: string): LowRank | undefined;
  /** Rank rows per page of every low-rank term. */
  pageRank?: number;
  /** Prefix of an attention site, e.g. `decoder.block.1.self` (attach point H2). */
  prefix?(site: string): KVPrefix | undefined;
  /** [P, d]: soft-prompt rows, read by token ids from vocabSize on (attach point H1). */
  prompt?: Value;
}

/** Packed rows of one stack. */
export interface Rows {
  /** i32 [R+1]; absent: every token is a row of its own. */
  offsets?: Value;
  /** i32 [R]: slot of each row in every state; needed where there is one. */
  slots?: Value;
}
