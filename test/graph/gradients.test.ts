/** Every backward op against central differences on the reference device, in f64. */
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { Activation, Prefix, PrefixAttentionArgs, Value } from '../../lib/graph/index.ts';
import {
  activation, add, cast, concatRows, crossEntropy, dropout, embedding, expand, gatedActivation, gatherRows, hyperHeads, loraLinear, mul, prefixAttention,
  reshape, rmsNorm, scale, scaleBy, scatterAddRows, splitRows, sum,
} from '../../lib/graph/index.ts';
import { Problem, compareWithDifferences } from './finite-differences.ts';

const engine = Engine.open({ device: 'reference' });
afterAll(() => engine.dispose());

/** Central differences leave about 1e-10; a wrong term shows at 1e-2. */
const TOLERANCE = 1e-6;

function check(name: string, build: (p: Problem) => Value | Value[]) {
  test(name, async () => {
    const problem = new Problem(7);
    const outputs = [build(problem)].flat();
    const mismatches = await compareWithDifferences(engine, problem, outputs);
    expect(mismatches.length).toBe(problem.params.length);
    for (const { param, error, size } of mismatches) {
      expect(size, `gradient of ${param} is not trivial`).toBeGreaterThan(1e-3);
      expect(error, param).toBeLessThan(TOLERANCE);
    }
  });
}

describe('elementwise and views', () => {
  check('add, mul of one operand twice', (p) => {
    const [a, b] = [p.param('a', 3, 7), p.param('b', 3, 7)];
    return mul(p.g, { a: add(p.g, { a, b }), b: mul(p.g, { a, b: a }) });
  });
  check('scale, cast, scale_by', (p) => scaleBy(p.g, { x: cast(p.g, { x: scale(p.g, { x: p.param('x', 7), alpha: -2.5 }), dtype: 'f32' }), s: p.param('s', 1) }));
  check('sum and expand', (p) => expand(p.g, { s: sum(p.g, { x: mul(p.g, { a: p.param('x', 1, 7, 3), b: p.floats('c', 1, 7, 3) }) }), shape: [2, 3] }));
  check('reshape, with a symbol', (p) => {
    const T = p.symbol('T', 3);
    return activation(p.g, { x: reshape(p.g, { x: p.param('x', T.times(2), 3), shape: [T, 6] }), kind: 'tanh' });
  });
  check('split_rows with an unused part, concat_rows', (p) => {
    const [first, , third] = splitRows(p.g, { x: p.param('x', 9, 2), n: 3 });
    return concatRows(p.g, { x: [first, mul(p.g, { a: first, b: third }), p.param('y', 3, 2)] });
  });
  check('gather_rows with -1 and repeated rows', (p) => gatherRows(p.g, { x: p.param('x', 3, 7), index: p.ints('index', [2, -1, 0, 2, 2]) }));
  check('scatter_add_rows with -1 and repeated rows', (p) => scatterAddRows(p.g, { x: p.param('x', 5, 3), index: p.ints('index', [1, 3, -1, 1, 0]), rows: 4 }));
  check('dropout draws the same mask backwards', (p) =>
    dropout(p.g, { x: activation(p.g, { x: p.param('x', 7, 3), kind: 'tanh' }), key: p.ints('key', [5, 6, 7, 8]), rate: p.constant('rate', [0.3], 1), stream: 11 }));
});

describe('activations', () => {
  const kinds: Activation[] = ['relu', 'gelu_new', 'tanh', 'sigmoid'];
  for (const kind of kinds) {
    check(kind, (p) => activation(p.g, { x: scale(p.g, { x: p.param('x', 7, 3), alpha: 3 }), kind }));
    check(`gated ${kind}`, (p) => gatedActivation(p.g, { a: p.param('a', 3, 7), b: p.param('b', 3, 7), kind }));
  }
});

describe('embedding', () => {
  check('repeated ids', (p) => embedding(p.g, { table: p.param('table', 7, 3), ids: p.ints('ids', [6, 0, 6, 3]) }));
  check('with a prompt', (p) => embedding(p.g, { table: p.param('table', 7, 3), prompt: p.param('prompt', 2, 3), ids: p.ints('ids', [8, 0, 6, 7, 8]) }));
  check('a prompt over a frozen table', (p) => embedding(p.g, { table: p.floats('table', 7, 3), prompt: p.param('prompt', 3, 3), ids: p.ints('ids', [8, 7, 6, 9, 8]) }));
});

describe('rms_norm', () => {
  check('plain', (p) => rmsNorm(p.g, { x: p.param('x', 3, 7), gain: p.param('gain', 7), eps: 1e-6 }).y);
  check('width 1', (p) => rmsNorm(p.g, { x: p.param('x', 3, 1), gain: p.param('gain', 1), eps: 0.5 }).y);
  check('residual, y only', (p) => rmsNorm(p.g, { x: p.param('x', 3, 7), residual: p.param('residual', 3, 7), gain: p.param('gain', 7), eps: 1e-6 }).y);
  check('residual, y and h: the carry', (p) => {
    const { y, h } = rmsNorm(p.g, { x: p.param('x', 3, 7), residual: p.param('residual', 3, 7), gain: p.param('gain', 7), eps: 1e-2 });
    return [y, h];
  });
  check('residual, h only', (p) => rmsNorm(p.g, { x: p.param('x', 3, 7), residual: p.param('residual', 3, 7), gain: p.floats('gain', 7), eps: 1e-2 }).h);
  check('a stack of residual blocks', (p) => {
    const gain = p.param('gain', 3);
    let { y, h } = rmsNorm(p.g, { x: p.param('x', 7, 3), gain, eps: 1e-6 });
    for (let i = 0; i < 3; ++i) {
      const x = activation(p.g, { x: loraLinear(p.g, { x: y, weights: [{ w: p.param(`w${i}`, 3, 3) }] })[0], kind: 'gelu_new' });
      ({ y, h } = rmsNorm(p.g, { x, residual: h, gain, eps: 1e-6 }));
    }
    return y;
  });
});

describe('lora_linear', () => {
  const ragged = (p: Problem) => ({ offsets: p.ints('offsets', [0, 3, 3, 7]), slots: p.ints('slots', [2, 1, 3]), pageRank: 2 });
  /** Slots 0 none, 1 one page, 2 two pages, 3 two pages of which one is shared with 2. */
  const lowRank = (p: Problem, i: number, outputs: number, inputs = 5) => ({
    a: p.param(`a${i}`, 8, inputs), b: p.param(`b${i}`, 8, outputs), table: p.ints(`table${i}`, [-1, -1, 1, -1, 3, 0, 0, 2], 4, 2), scale: p.constant(`scale${i}`, [1, 0.5, 2, -1.5], 4),
  });
  check('three weights, no low rank', (p) => loraLinear(p.g, { x: p.param('x', 7, 5), weights: [{ w: p.param('w0', 3, 5) }, { w: p.param('w1', 1, 5) }, { w: p.param('w2', 7, 5) }] }));
  check('one of three outputs unused', (p) => {
    const [y0, , y2] = loraLinear(p.g, { x: p.param('x', 7, 5), weights: [{ w: p.param('w0', 3, 5) }, { w: p.floats('w1', 1, 5) }, { w: p.param('w2', 7, 5) }] });
    return [y0, y2];
  });
  check('ragged ranks by row, beside a weight without', (p) => loraLinear(p.g, { x: p.param('x', 7, 5), weights: [{ w: p.param('w0', 3, 5), lowRank: lowRank(p, 0, 3) }, { w: p.param('w1', 1, 5) }], ...ragged(p) }));
  check('two low-rank weights, one with a middle vector', (p) =>
    loraLinear(p.g, {
      x: p.param('x', 7, 5), weights: [{ w: p.floats('w0', 3, 5), lowRank: { ...lowRank(p, 0, 3), mid: p.floats('mid', 3, 4) } }, { w: p.floats('w1', 1, 5), lowRank: lowRank(p, 1, 1) }], ...ragged(p),
    }));
  check('a row without pages leaves its tokens to W', (p) =>
    loraLinear(p.g, { x: p.param('x', 4, 5), weights: [{ w: p.param('w', 3, 5), lowRank: lowRank(p, 0, 3) }], slots: p.ints('slots', [2, 0, 3, 1]), pageRank: 2 }));
  check('scales beside low rank, one token per row', (p) =>
    loraLinear(p.g, {
      x: p.param('x', 4, 5), weights: [{ w: p.param('w0', 3, 5), lowRank: lowRank(p, 0, 3), sOut: p.floats('s_out', 2, 3) }, { w: p.param('w1', 2, 5) }],
      slots: p.ints('slots', [2, 0, 3, 1]), scaleSlots: p.ints('scale_slots', [0, 1, 1, 0]), sIn: p.floats('s_in', 2, 5), pageRank: 2,
    }));
  check('scales on packed rows, to x', (p) =>
    loraLinear(p.g, {
      x: p.param('x', 7, 5), weights: [{ w: p.floats('w0', 3, 5), sOut: p.floats('s_out', 2, 3) }], offsets: p.ints('offsets', [0, 3, 3, 7]), scaleSlots: p.ints('scale_slots', [0, 1, 1]), sIn: p.floats('s_in', 2, 5),
    }));
  check('tokens as a symbol', (p) => {
    const [T, R] = [p.symbol('T', 7), p.symbol('R', 3)];
    const offsets = p.ints('offsets', [0, 1, 6, 7], R.plus(1));
    return loraLinear(p.g, { x: p.param('x', T, 5), weights: [{ w: p.param('w', 3, 5), lowRank: lowRank(p, 0, 3) }], offsets, slots: p.ints('slots', [3, 2, 1], R), pageRank: 2 });
  });
});

describe('prefix_attention', () => {
  const inner = 6;
  const base = (p: Problem): PrefixAttentionArgs => ({
    q: p.param('q', 7, inner), k: p.param('k', 7, inner), v: p.param('v', 7, inner), qOffsets: p.ints('q_offsets', [0, 3, 4, 7]), kOffsets: p.ints('k_offsets', [0, 3, 4, 7]), heads: 2, maxDistance: 5,
  });
  /** Slot 0 none, 1 three rows on two pages, 2 one row of a page shared with 1. */
  const prefix = (p: Problem): Prefix => ({
    slot: p.ints('prefix_slot', [1, 0, 2]), k: p.param('pk', 8, inner), v: p.param('pv', 8, inner), table: p.ints('prefix_table', [-1, -1, 3, 1, 3, -1], 3, 2), length: p.ints('prefix_len', [0, 3, 1]), pageLength: 2,
  });
  check('packed rows', (p) => prefixAttention(p.g, base(p)).o);
  check('one head of width 1, one query per row', (p) =>
    prefixAttention(p.g, { q: p.param('q', 3, 1), k: p.param('k', 7, 1), v: p.param('v', 7, 1), kOffsets: p.ints('k_offsets', [0, 3, 4, 7]), heads: 1 }).o);
  check('bidirectional bias', (p) => prefixAttention(p.g, { ...base(p), bias: p.param('bias', 4, 2), bidirectional: true }).o);
  check('causal bias', (p) => prefixAttention(p.g, { ...base(p), bias: p.param('bias', 4, 2), causal: true }).o);
  check('frozen bias, heads 3', (p) => prefixAttention(p.g, { ...base(p), heads: 3, bias: p.floats('bias', 4, 3), causal: true }).o);
  check('rows that share keys, an empty row', (p) =>
    prefixAttention(p.g, {
      q: p.param('q', 7, inner), k: p.param('k', 5, inner), v: p.param('v', 5, inner), qOffsets: p.ints('q_offsets', [0, 3, 3, 4, 7]), kOffsets: p.ints('k_offsets', [0, 1, 5]), kvRow: p.ints('kv_row', [1, 0, 1, 0]),
      bias: p.param('bias', 4, 2), bidirectional: true, heads: 2, maxDistance: 4,
    }).o);
  check('a row without keys', (p) => prefixAttention(p.g, { ...base(p), kOffsets: p.ints('no_keys', [0, 7, 7, 7]) }).o);
  for (const policy of ['zero', 'preceding'] as const)
    for (const causal of [false, true]) {
      const mode = `policy ${policy}, ${causal ? 'causal' : 'bidirectional'}`;
      check(`prefix, ${mode}`, (p) => prefixAttention(p.g, { ...base(p), bias: p.param('bias', 4, 2), causal, bidirectional: !causal, prefix: { ...prefix(p), policy } }).o);
      check(`prefix with its own bias, ${mode}`, (p) =>
        prefixAttention(p.g, { ...base(p), bias: p.param('bias', 4, 2), causal, bidirectional: !causal, prefix: { ...prefix(p), bias: p.param('prefix_bias', 3, 2), policy } }).o);
    }
  check('prefix only, without bias or keys', (p) =>
    prefixAttention(p.g, {
      q: p.param('q', 7, inner), k: p.floats('k', 0, inner), v: p.floats('v', 0, inner), qOffsets: p.ints('q_offsets', [0, 3, 4, 7]), kOffsets: p.ints('k_offsets', [0, 0, 0, 0]), heads: 2, prefix: prefix(p),
    }).o);
});

describe('hyper_heads', () => {
  const head = (p: Problem, i: number, out: number) => ({ w: p.param(`w2.${i}`, out, 3), b: p.param(`b2.${i}`, out) });
  check('three heads', (p) => hyperHeads(p.g, { u: p.param('u', 3, 7), w1: p.param('w1', 3, 7), b1: p.param('b1', 3), heads: [head(p, 0, 1), head(p, 1, 3), head(p, 2, 7)], outputScale: 0.5 }));
  check('one of two heads unused', (p) => hyperHeads(p.g, { u: p.param('u', 1, 7), w1: p.param('w1', 3, 7), b1: p.param('b1', 3), heads: [{ w: p.floats('w', 2, 3), b: p.floats('b', 2) }, head(p, 1, 3)] })[1]);
});

describe('cross_entropy', () => {
  const labels = (p: Problem) => p.ints('labels', [4, -1, 0, 4, 6, -1, 2]);
  check('labels of -1', (p) => crossEntropy(p.g, { x: p.param('x', 7, 3), w: p.param('w', 7, 3), labels: labels(p), scale: 1.5 }).logp);
  check('frozen head', (p) => crossEntropy(p.g, { x: p.param('x', 7, 3), w: p.floats('w', 7, 3), labels: labels(p) }).logp);
  check('a tied embedding gets one gradient', (p) => {
    const table = p.param('table', 7, 3);
    return crossEntropy(p.g, { x: embedding(p.g, { table, ids: p.ints('ids', [6, 0, 6, 1, 2, 3, 3]) }), w: table, labels: labels(p), scale: 3 ** -0.5 }).logp;
  });
});
