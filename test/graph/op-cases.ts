/** One valid application of every op, its result types, and changes that must be refused at the named place. */
import type { Attr } from '../../lib/graph/index.ts';
import type { OpName } from '../../lib/graph/ops.gen.ts';

type Text = string | undefined | (string | undefined)[];

export interface OpCase {
  in: Record<string, Text>;
  attrs?: Record<string, Attr>;
  shapes?: Record<string, string>;
  out: Record<string, string | string[]>;
  /** [what the message must contain, operands to replace, attributes to replace] */
  bad?: [string, Record<string, Text>, Record<string, Attr>?][];
}

const f32 = { dtype: 'f32' } as const;
const lora = {
  offsets: 'i32 R+1', slots: 'i32 R', scale_slots: 'i32 R', s_in: 'f32 4 5', w: ['bf16 3 5', 'f32 1 5'], a: ['f32 6 5', undefined], b: ['f32 6 3', undefined],
  table: ['i32 8 2', undefined], scale: ['f32 8', undefined], mid: ['f32 R 4', undefined], s_out: [undefined, 'f32 4 1'],
};
const prefix = {
  bias: 'f32 8 2', prefix_slot: 'i32 R', pk: 'f32 12 6', pv: 'f32 12 6', prefix_table: 'i32 5 2', prefix_len: 'i32 5', prefix_bias: 'f32 5 2',
};
const attention = { q: 'f32 T 6', k: 'bf16 K+3 6', v: 'f32 K+3 6', q_offsets: 'i32 R+1', k_offsets: 'i32 4', kv_row: 'i32 R', ...prefix };
const attentionAttrs = { heads: 2, causal: 0, bidirectional: 1, max_distance: 128, page_len: 3, policy: 0 };
const decodeAttention = { q: 'f32 R 6', k: 'f32 56 6', v: 'f32 56 6', length: 'i32 R', ancestors: 'i32 R 7', ...prefix };
const optimizer = { param: 'f32 3 2', m: 'f32 3 2', v: 'f32 3 2', copy: 'bf16 3 2', grad: 'f32 3 2', rates: 'f32 3', gscale: 'f32 1' };
const adafactor = { beta1: 0.9, eps1: 1e-30, eps2: 1e-3, clip_threshold: 1, weight_decay: 0, lr_scale: 1, scale_parameter: 1 };

export const OP_CASES: Record<OpName, OpCase> = {
  reshape: { in: { x: 'i32 2*T 6' }, shapes: { y: 'i32 T 3 4' }, out: { y: 'i32 T 3 4' } },
  split_rows: { in: { x: 'bf16 6*T 5' }, attrs: { n: 3 }, out: { y: ['bf16 2*T 5', 'bf16 2*T 5', 'bf16 2*T 5'] }, bad: [['x', { x: 'bf16 7 5' }], ['n', {}, { n: 0 }]] },
  concat_rows: { in: { x: ['f32 T 5', 'bf16 T 5'] }, attrs: { dtype: 'bf16' }, out: { y: 'bf16 2*T 5' }, bad: [['x[1]', { x: ['f32 T 5', 'f32 T 4'] }], ['x[1]', { x: ['f32 T 5', 'f32 U 5'] }]] },
  gather_rows: { in: { x: 'f32 N 5', index: 'i32 M' }, attrs: f32, out: { y: 'f32 M 5' } },
  scatter_add_rows: { in: { x: 'f32 M 5', index: 'i32 M' }, shapes: { y: 'f32 N 5' }, out: { y: 'f32 N 5' }, bad: [['x', { x: 'f32 N 5' }]] },
  write_rows: { in: { buffer: 'bf16 9 5', index: 'i32 M', x: 'f32 M 5' }, out: {}, bad: [['x', { x: 'f32 M 4' }]] },
  add: { in: { a: 'f32 T 2', b: 'bf16 T 2' }, attrs: f32, out: { y: 'f32 T 2' }, bad: [['b', { b: 'f32 T 3' }], ['b', { b: 'f32 2 T' }], ['b', { b: 'f32 T+1 2' }], ['dtype', {}, { dtype: 1 }]] },
  mul: { in: { a: 'f32 7', b: 'f32 7' }, attrs: { dtype: 'bf16' }, out: { y: 'bf16 7' }, bad: [['b', { b: 'f32 7 1' }]] },
  scale: { in: { x: 'f32 7 3 1 2' }, attrs: { alpha: 0.5, dtype: 'f32' }, out: { y: 'f32 7 3 1 2' }, bad: [['alpha', {}, { alpha: NaN }], ['alpha', {}, { alpha: 1e39 }]] },
  scale_by: { in: { x: 'f32 7', s: 'f32 1' }, attrs: f32, out: { y: 'f32 7' }, bad: [['s', { s: 'f32 2' }]] },
  cast: { in: { x: 'f32 7' }, attrs: { dtype: 'bf16' }, out: { y: 'bf16 7' } },
  expand: { in: { s: 'f32 1' }, shapes: { y: 'f32 T 3' }, out: { y: 'f32 T 3' }, bad: [['s', { s: 'f32 T' }]] },
  fill: { in: {}, attrs: { value: 0 }, shapes: { y: 'f32 7' }, out: { y: 'f32 7' } },
  dropout: { in: { x: 'bf16 T 3', key: 'i32 4', rate: 'f32 1' }, attrs: { stream: 3, dtype: 'bf16' }, out: { y: 'bf16 T 3' }, bad: [['key', { key: 'i32 3' }], ['stream', {}, { stream: -1 }]] },
  activation: { in: { x: 'f32 7' }, attrs: { kind: 3, dtype: 'f32' }, out: { y: 'f32 7' }, bad: [['kind', {}, { kind: 4 }], ['kind', {}, { kind: 0.5 }]] },
  activation_grad: { in: { x: 'bf16 7', dy: 'f32 7' }, attrs: { kind: 0 }, out: { dx: 'f32 7' }, bad: [['dy', { dy: 'f32 6' }]] },
  gated_activation: { in: { a: 'f32 T 3', b: 'f32 T 3' }, attrs: { kind: 1, dtype: 'f32' }, out: { y: 'f32 T 3' }, bad: [['b', { b: 'f32 T 4' }]] },
  gated_activation_grad: { in: { a: 'f32 3', b: 'f32 3', dy: 'f32 3' }, attrs: { kind: 1 }, out: { da: 'f32 3', db: 'f32 3' }, bad: [['dy', { dy: 'f32 1' }]] },
  sum: { in: { x: 'bf16 T 3 2' }, out: { y: 'f32 1' } },
  global_norm: { in: { x: ['f32 7', 'f32 T 3'] }, out: { y: 'f32 1' }, bad: [['x[1]', { x: ['f32 7', undefined] }]] },
  grad_scale: { in: { norm: 'f32 1', count: 'f32 1' }, attrs: { max_norm: 1 }, out: { scale: 'f32 1', norm_out: 'f32 1' }, bad: [['count', { count: 'f32 2' }]] },
  adamw: {
    in: optimizer, attrs: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, lr_scale: 1 }, out: {},
    bad: [['v', { v: 'f32 2 3' }], ['copy', { copy: 'bf16 6' }], ['grad', { grad: 'f32 3' }], ['rates', { rates: 'f32 2' }]],
  },
  adafactor: {
    in: { param: 'f32 2 3 4', row: 'f32 2 3', col: 'f32 2 4', m: 'f32 2 3 4', copy: 'bf16 2 3 4', grad: 'f32 2 3 4', rates: 'f32 2', gscale: 'f32 1' }, attrs: adafactor, out: {},
    bad: [['col', { col: 'f32 2 3' }], ['row', { row: 'f32 3' }], ['copy', { copy: 'bf16 6 4' }], ['rates', { rates: 'f32 3' }], ['scale_parameter', {}, { scale_parameter: 2 }]],
  },
  adafactor_full: { in: { ...optimizer, rates: 'f32 2' }, attrs: adafactor, out: {}, bad: [['v', { v: 'f32 2 3' }], ['v', { v: undefined }], ['grad', { grad: 'f32 3' }]] },
  average: { in: { mean: 'f32 3 2', x: 'f32 3 2', rate: 'f32 1', gscale: 'f32 1' }, out: {}, bad: [['x', { x: 'f32 2 3' }], ['rate', { rate: 'f32 2' }]] },
  accumulate: { in: { buffer: 'f32 3 2', x: 'bf16 3 2' }, out: {}, bad: [['x', { x: 'f32 6' }]] },
  assign: { in: { buffer: 'bf16 3 2', x: 'f32 3 2' }, out: {}, bad: [['x', { x: 'f32 2 3' }]] },
  zero: { in: { buffer: 'i32 3 2' }, out: {} },
  embedding: { in: { table: 'bf16 11 3', prompt: 'f32 2 3', ids: 'i32 T' }, attrs: f32, out: { y: 'f32 T 3' }, bad: [['prompt', { prompt: 'f32 2 4' }]] },
  embedding_grad: { in: { table: 'bf16 11 3', ids: 'i32 T', dy: 'f32 T 3' }, shapes: { dprompt: 'f32 2 3' }, out: { dtable: 'f32 11 3', dprompt: 'f32 2 3' }, bad: [['dy', { dy: 'f32 R 3' }], ['dy', { dy: 'f32 T 4' }]] },
  rms_norm: { in: { x: 'bf16 T 3', residual: 'f32 T 3', gain: 'f32 3' }, attrs: { eps: 1e-6, dtype: 'bf16' }, out: { y: 'bf16 T 3', h: 'f32 T 3' }, bad: [['residual', { residual: 'f32 3 3' }], ['gain', { gain: 'f32 4' }]] },
  rms_norm_grad: { in: { h: 'f32 T 3', gain: 'f32 3', dy: 'f32 T 3', carry: 'f32 T 3' }, attrs: { eps: 1e-6 }, out: { dh: 'f32 T 3', dgain: 'f32 3' }, bad: [['carry', { carry: 'f32 T 4' }], ['dy', { dy: 'f32 R 3' }]] },
  lora_linear: {
    in: { x: 'f32 T 5', ...lora }, attrs: { page_rank: 2, dtype: 'bf16' }, out: { y: ['bf16 T 3', 'bf16 T 1'] },
    bad: [
      ['w[1]', { w: ['bf16 3 5', 'f32 1 4'] }], ['a[0]', { a: ['f32 7 5', undefined] }], ['b[0]', { b: ['f32 6 4', undefined] }], ['mid[0]', { mid: ['f32 R 3', undefined] }],
      ['slots', { slots: undefined }], ['operand table[0]', { table: [undefined, undefined] }], ['scale_slots', { scale_slots: undefined }], ['s_out[1]', { s_out: [undefined, 'f32 3 1'] }],
      ['offsets', { offsets: undefined }], ['slots', { slots: 'i32 U' }], ['operand s_out', { s_out: [undefined] }], ['page_rank', {}, { page_rank: 0 }], ['n', {}, { n: 17 }], ['operand a', { mid: ['f32 R 4', 'f32 R 4'] }],
      ['w_scale[0]', { w: ['i8 3 5', 'f32 1 5'] }], ['w_scale[1]', { w_scale: [undefined, 'f32 1'] }], ['w_scale[0]', { w: ['i8 3 5', 'f32 1 5'], w_scale: ['f32 5', undefined] }], ['x', { x: 'i8 T 5' }],
    ],
  },
  lora_linear_dx: {
    in: { ...lora, dy: ['f32 T 3', 'f32 T 1'] }, attrs: { page_rank: 2 }, out: { dx: 'f32 T 5' },
    bad: [['w[0]', { dy: ['f32 T 4', 'f32 T 1'] }], ['dy[1]', { dy: ['f32 T 3', 'f32 R 1'] }], ['offsets', { offsets: undefined }]],
  },
  lora_linear_dab: {
    in: { x: 'f32 T 5', offsets: 'i32 R+1', slots: 'i32 R', dy: 'f32 T 3', a: 'f32 6 5', b: 'f32 6 3', table: 'i32 8 2', scale: 'f32 8', mid: 'f32 R 4' }, attrs: { page_rank: 2 }, out: { da: 'f32 6 5', db: 'f32 6 3' },
    bad: [['dy', { dy: 'f32 R 3' }], ['scale', { scale: 'f32 7' }], ['offsets', { offsets: undefined }], ['b', { b: 'f32 4 3' }]],
  },
  linear_dw: { in: { x: 'bf16 T 5', dy: 'f32 T 3' }, out: { dw: 'f32 3 5' }, bad: [['dy', { dy: 'f32 R 3' }]] },
  prefix_attention: {
    in: attention, attrs: { ...attentionAttrs, dtype: 'bf16' }, out: { o: 'bf16 T 6', lse: 'f32 T 2' },
    bad: [
      ['v', { v: 'f32 K+2 6' }], ['bias', { bias: 'f32 8 3' }], ['kv_row', { kv_row: 'i32 T' }], ['kv_row', { kv_row: undefined }], ['q_offsets', { q_offsets: undefined }], ['pv', { pv: undefined }],
      ['prefix_slot', { prefix_slot: undefined }], ['pk', { pk: 'f32 11 6' }], ['prefix_len', { prefix_len: 'i32 4' }], ['operand pk', { pk: undefined }], ['heads', {}, { heads: 0 }],
    ],
  },
  prefix_attention_grad: {
    in: { ...attention, o: 'f32 T 6', lse: 'f32 T 2', do: 'f32 T 6' }, attrs: attentionAttrs,
    out: { dq: 'f32 T 6', dk: 'f32 K+3 6', dv: 'f32 K+3 6', dbias: 'f32 8 2', dpk: 'f32 12 6', dpv: 'f32 12 6', dprefix_bias: 'f32 5 2' }, bad: [['lse', { lse: 'f32 T 3' }], ['do', { do: 'f32 T 5' }]],
  },
  prefix_attention_decode: {
    in: decodeAttention, attrs: { heads: 2, cache_len: 7, max_distance: 128, page_len: 3, policy: 1, dtype: 'f32' }, out: { o: 'f32 R 6' },
    bad: [['ancestors', { ancestors: 'i32 R 6' }], ['k', { k: 'f32 55 6', v: 'f32 55 6' }], ['length', { length: 'i32 T' }]],
  },
  kv_append: { in: { cache: 'bf16 56 6', x: 'f32 R 6', length: 'i32 R' }, attrs: { cache_len: 7 }, out: {}, bad: [['cache', {}, { cache_len: 9 }], ['x', { x: 'f32 R 5' }]] },
  hyper_heads: {
    in: { u: 'f32 N 5', w1: 'f32 4 5', b1: 'f32 4', w2: ['f32 1 4', 'bf16 7 4'], b2: ['f32 1', 'f32 7'] }, attrs: { output_scale: 0.1 }, out: { t: 'f32 N 4', y: ['f32 N 1', 'f32 N 7'] },
    bad: [['b2[1]', { b2: ['f32 1', 'f32 1'] }], ['operand b2', { b2: ['f32 1'] }], ['w2[0]', { w2: ['f32 1 5', 'bf16 7 4'] }], ['b1', { b1: 'f32 5' }]],
  },
  hyper_heads_grad: {
    in: { u: 'f32 N 5', w1: 'f32 4 5', t: 'f32 N 4', w2: ['f32 1 4', 'bf16 7 4'], dy: ['f32 N 1', 'f32 N 7'] }, attrs: { output_scale: 0.1 },
    out: { du: 'f32 N 5', dw1: 'f32 4 5', db1: 'f32 4', dw2: ['f32 1 4', 'f32 7 4'], db2: ['f32 1', 'f32 7'] }, bad: [['dy[0]', { dy: ['f32 N 7', 'f32 N 1'] }], ['t', { t: 'f32 N 5' }]],
  },
  cross_entropy: { in: { x: 'bf16 T 5', w: 'bf16 11 5', labels: 'i32 T' }, attrs: { scale: 1 }, out: { logp: 'f32 T', lse: 'f32 T' }, bad: [['labels', { labels: 'i32 R' }], ['w', { w: 'f32 11 4' }], ['w_scale', { w: 'i8 11 5' }]] },
  cross_entropy_grad: { in: { x: 'f32 T 5', w: 'bf16 11 5', labels: 'i32 T', lse: 'f32 T', g: 'f32 T' }, attrs: { scale: 1 }, out: { dx: 'f32 T 5', dw: 'f32 11 5' }, bad: [['g', { g: 'f32 1' }]] },
  log_softmax: { in: { x: 'bf16 R 11' }, out: { y: 'f32 R 11' } },
  logit_rules: {
    in: { x: 'f32 R 11', history: 'i32 R 9', length: 'i32 R', eos: 'i32 2', banned: 'i32 3 4', suppress: 'i32 5' }, attrs: { repetition_penalty: 1, no_repeat_ngram: 0, min_length: 0 }, out: { y: 'f32 R 11' },
    bad: [['history', { history: 'i32 T 9' }], ['min_length', {}, { min_length: -1 }]],
  },
  top_k: { in: { x: 'f32 R 11' }, attrs: { k: 3 }, out: { value: 'f32 R 3', id: 'i32 R 3' }, bad: [['k', {}, { k: 0 }]] },
  sample: {
    in: { x: 'f32 2 11', token: 'i32 2', length: 'i32 2', done: 'i32 2', history: 'i32 2 9', params: 'f32 2 4', seed: 'i32 2 2', eos: 'i32 1' }, attrs: { pad: 0 }, out: { next: 'i32 2', logp: 'f32 2', stop: 'i32 1' },
    bad: [['params', { params: 'f32 2 3' }], ['token', { token: 'i32 3' }], ['seed', { seed: 'i32 1 2' }]],
  },
};
