/** T5 attention on packed rows: bucketed relative bias (Raffel et al. 2020, section 2.1), no 1/sqrt(d_k), optional prefixes by row. */
import type { Graph } from '../graph.ts';
import type { GradientRequest, GradientRules } from '../gradient-rule.ts';
import type { FloatType, Node, Value } from '../node.ts';
import { refuseAt } from '../shapes.ts';
import type { Named } from './arguments.ts';

/** Key/value rows in front of each row's own keys (Li & Liang 2021, arXiv:2101.00190), read from pages of a bank. */
export interface Prefix {
  /** i32 [R]: prefix slot of each query row. */
  slot: Value;
  /** [pageLength * pages, I] */
  k: Value;
  /** [pageLength * pages, I] */
  v: Value;
  /** i32 [S, mp]: pages of each slot in order, -1 is none. */
  table: Value;
  /** i32 [S]: prefix rows of each slot. */
  length: Value;
  /** f32 [S, heads], added to the scores of prefix rows. */
  bias?: Value;
  pageLength: number;
  /** Relative bias of prefix rows: none (`zero`, the default), or as if they stood right before key 0 (`preceding`). */
  policy?: 'zero' | 'preceding';
}

interface AttentionShared extends Named {
  heads: number;
  /** [buckets, heads]. */
  bias?: Value;
  /** Largest distance with a bucket of its own; 128 when absent. */
  maxDistance?: number;
  prefix?: Prefix;
  /** Type of o; f32 when absent. */
  dtype?: FloatType;
}

export interface PrefixAttentionArgs extends AttentionShared {
  /** [Tq, I], I = heads * head width. */
  q: Value;
  /** [Tk, I] */
  k: Value;
  /** [Tk, I] */
  v: Value;
  /** i32 [R+1], starts of packed query rows; absent: one query per row. */
  qOffsets?: Value;
  /** i32 [K+1], starts of packed key rows. */
  kOffsets: Value;
  /** i32 [R]: key row that each query row sees; absent: its own. */
  kvRow?: Value;
  causal?: boolean;
  /** Buckets for both directions (encoder). */
  bidirectional?: boolean;
}

/** o [Tq, I] and the log of the sum of exponentials lse f32 [Tq, heads]. */
export function prefixAttention(g: Graph, args: PrefixAttentionArgs): { o: Value; lse: Value } {
  const { q, k, v, qOffsets, kOffsets, kvRow, causal = false, bidirectional = false } = args;
  const node = g.node(
    'prefix_attention',
    { q, k, v, q_offsets: qOffsets, k_offsets: kOffsets, kv_row: kvRow, ...sharedInputs(args) },
    { ...sharedAttrs(args), causal: Number(causal), bidirectional: Number(bidirectional) },
    { name: args.name },
  );
  requireHeads(node);
  return { o: node.output('o'), lse: node.output('lse') };
}

export interface DecodeAttentionArgs extends AttentionShared {
  /** [R, I]: one query per row, at position length - 1. */
  q: Value;
  /** [cacheLength * C, I]: key t of cache row c is row c * cacheLength + t. */
  k: Value;
  v: Value;
  /** i32 [R]: keys of each row. */
  length: Value;
  /** i32 [R, cacheLength]: cache row that holds key t of row r; absent: r. */
  ancestors?: Value;
  cacheLength: number;
}

/** o [R, I] of one causal query per row against a key/value cache. No gradient. */
export function prefixAttentionDecode(g: Graph, args: DecodeAttentionArgs): Value {
  const { q, k, v, length, ancestors, cacheLength } = args;
  const node = g.node(
    'prefix_attention_decode',
    { q, k, v, length, ancestors, ...sharedInputs(args) },
    { ...sharedAttrs(args), cache_len: cacheLength },
    { name: args.name },
  );
  requireHeads(node);
  return node.output('o');
}

/** Effect: cache[r * cacheLength + length[r] - 1] = x[r] for x [R, I]; a length of 0 writes nothing. */
export function kvAppend(g: Graph, { cache, x, length, cacheLength, name }: { cache: Value; x: Value; length: Value; cacheLength: number } & Named): void {
  g.node('kv_append', { cache, x, length }, { cache_len: cacheLength }, { name });
}

function sharedInputs({ bias, prefix }: AttentionShared) {
  return { bias, prefix_slot: prefix?.slot, pk: prefix?.k, pv: prefix?.v, prefix_table: prefix?.table, prefix_len: prefix?.length, prefix_bias: prefix?.bias };
}

function sharedAttrs({ heads, maxDistance = 128, prefix, dtype = 'f32' }: AttentionShared) {
  return { heads, max_distance: maxDistance, page_len: prefix?.pageLength ?? 1, policy: prefix?.policy === 'preceding' ? 1 : 0, dtype };
}

/** The op table cannot say that heads divide the inner width. */
function requireHeads(node: Node): void {
  const [inner, heads] = [node.required('q').shape[1], node.attrs['heads'] as number];
  if (typeof inner !== 'number' || inner % heads) refuseAt(node.op, node.name)('operand q', `its inner width ${inner} is not a multiple of ${heads} heads.`);
}

export const attentionGradients: GradientRules = {
  prefix_attention: {
    outputs: ['o'],
    operands: ['q', 'k', 'v', 'bias', 'pk', 'pv', 'prefix_bias'],
    apply({ g, node, grad }: GradientRequest) {
      const operands = Object.fromEntries([...node.inputs].map(([operand, [value]]) => [operand, value]));
      const { dtype: _, ...attrs } = node.attrs;
      const back = g.node('prefix_attention_grad', { ...operands, o: node.output('o'), lse: node.output('lse'), do: grad('o') }, attrs);
      return Object.fromEntries(this.operands.map((operand) => [operand, back.optionalOutput(`d${operand}`)]));
    },
  },
};
