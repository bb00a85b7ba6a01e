/** What a gradient graph looks like; its numbers are in gradients.test.ts. */
import { expect, test } from 'vitest';
import type { Value } from '../../lib/graph/index.ts';
import {
  Graph, accumulate, activation, add, adamw, assign, cast, compile, concatRows, crossEntropy, dropout, embedding, fill, gatherRows, globalNorm, gradients, hyperHeads, linear, logSoftmax, loraLinear,
  mul, prefixAttention, rmsNorm, scale, splitRows, sum,
} from '../../lib/graph/index.ts';
import { errorOf, fakeBuffer, recordingEngine } from './support.ts';

/** Ops that a program for these gradients runs after the forward nodes. */
function backwardOps(g: Graph, output: Value, wrt: Value[]): string[] {
  const forward = g.nodes.length;
  const grads = gradients(g, [{ value: output }], wrt);
  const { engine } = recordingEngine();
  const program = compile(engine, g, { fetches: Object.fromEntries(grads.map((v, i) => [`g${i}`, v!])) });
  return program.nodes.filter((n) => n.id >= forward).map((n) => n.op);
}

function twoLayers() {
  const g = new Graph();
  const x = g.feed('x', 'bf16', [4, 3]);
  const [w1, w2] = [g.buffer(fakeBuffer('bf16', 15), [5, 3], 'w1'), g.buffer(fakeBuffer('bf16', 10), [2, 5], 'w2')];
  const hidden = g.scope('layer1', () => activation(g, { x: linear(g, { x, w: w1 }), kind: 'relu', dtype: 'bf16' }));
  const loss = sum(g, { x: linear(g, { x: hidden, w: w2 }) });
  return { g, x, w1, w2, hidden, loss };
}

test('frozen weights cost no gradient, and dx stops where nothing is wanted', () => {
  const whole = ['fill', 'expand', 'lora_linear_dx', 'activation_grad'];
  const { g, w1, loss } = twoLayers();
  expect(backwardOps(g, loss, [w1])).toEqual([...whole, 'linear_dw']);
  const last = twoLayers();
  expect(backwardOps(last.g, last.loss, [last.w2])).toEqual(['fill', 'expand', 'linear_dw']);
  const input = twoLayers();
  expect(backwardOps(input.g, input.loss, [input.x])).toEqual([...whole, 'lora_linear_dx']);
});

test('gradients are f32 in the shape of their values, whatever the type of the values', () => {
  const { g, x, w1, hidden, loss } = twoLayers();
  const grads = gradients(g, [{ value: loss }], [w1, hidden, x, loss]);
  expect(grads.map((v) => `${v!.dtype} ${v!.shape}`)).toEqual(['f32 5,3', 'f32 4,5', 'f32 4,3', 'f32 1']);
  expect(grads[0]!.producer!.name).toBe('grad.layer1.lora_linear.linear_dw');
});

test('what the output does not depend on has no gradient and adds no node', () => {
  const { g, hidden, loss } = twoLayers();
  const other = g.feed('other', 'f32', [1]);
  const before = g.nodes.length;
  expect(gradients(g, [{ value: loss }], [other])).toEqual([undefined]);
  expect(gradients(g, [{ value: hidden }], [loss])).toEqual([undefined]);
  expect(g.nodes.length).toBe(before);
});

test('gradients of several uses are added, and several outputs too', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3]);
  const y = add(g, { a: mul(g, { a: x, b: x }), b: x });
  const [dx] = gradients(g, [{ value: y }, { value: x }], [x]);
  const sums: string[] = [];
  for (let v = dx!; v.producer?.op === 'add'; v = v.producer.required('a')) sums.push(v.producer.required('b').producer!.op);
  expect(sums).toEqual(['mul', 'mul', 'fill']);
});

test('a given upstream gradient must fit', () => {
  const { g, hidden, w1 } = twoLayers();
  expect(errorOf(() => gradients(g, [{ value: hidden, grad: g.feed('g1', 'f32', [5, 4]) }], [w1])).message).toContain('is f32 [5, 4], not f32 [4, 5]');
  expect(errorOf(() => gradients(g, [{ value: hidden, grad: g.feed('g2', 'bf16', [4, 5]) }], [w1])).code).toBe('GRAPH_GRADIENT');
  expect(errorOf(() => gradients(g, [{ value: hidden }], [g.feed('ids', 'i32', [3])])).message).toBe('wrt ids is i32 and has no gradient.');
});

test('split_rows gathers its parts, zeros for those without gradient', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [6, 2]);
  expect(backwardOps(g, splitRows(g, { x, n: 3 })[1], [x])).toEqual(['fill', 'fill', 'concat_rows']);
  const h = new Graph();
  const y = h.feed('y', 'f32', [6, 2]);
  const [a, b] = splitRows(h, { x: y, n: 2 });
  expect(backwardOps(h, concatRows(h, { x: [b, a] }), [y])).toEqual(['fill', 'split_rows', 'concat_rows']);
});

test('the norm takes the residual stream as its carry', () => {
  const g = new Graph();
  const [x, r, gain] = [g.feed('x', 'f32', [3, 4]), g.feed('r', 'f32', [3, 4]), g.feed('gain', 'f32', [4])];
  const { y, h } = rmsNorm(g, { x, residual: r, gain, eps: 1e-6 });
  const [dx, dr] = gradients(g, [{ value: y }, { value: h }], [x, r]);
  expect(dx).toBe(dr);
  expect(dx!.producer!.op).toBe('rms_norm_grad');
  expect(dx!.producer!.input('carry')!.producer!.op).toBe('fill');
  expect(dx!.producer!.input('h')).toBe(h);
});

test('dropout repeats its stream backwards', () => {
  const g = new Graph();
  const x = g.feed('x', 'bf16', [3]);
  const [key, rate] = [g.feed('key', 'i32', [4]), g.feed('rate', 'f32', [1])];
  const y = dropout(g, { x: dropout(g, { x, key, rate }), key, rate, dtype: 'bf16' });
  const [dx] = gradients(g, [{ value: y }], [x]);
  const back = dx!.producer!;
  expect([back.op, back.attrs['stream'], back.attrs['dtype']]).toEqual(['dropout', 0, 'f32']);
  expect(back.required('x').producer!.attrs['stream']).toBe(1);
});

test('one low-rank backward per weight, one dx for all', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [4, 3]);
  const slots = g.feed('slots', 'i32', [4]);
  const weights = [0, 1].map((i) => ({
    w: g.buffer(fakeBuffer('bf16', 6, { frozen: true }), [2, 3], `w${i}`),
    lowRank: { a: g.feed(`a${i}`, 'f32', [4, 3]), b: g.feed(`b${i}`, 'f32', [4, 2]), table: g.feed(`table${i}`, 'i32', [2, 1]), scale: g.feed(`scale${i}`, 'f32', [2]) },
  }));
  const [y0, y1] = loraLinear(g, { x, weights, slots, pageRank: 2 });
  const ops = backwardOps(g, add(g, { a: y0, b: y1 }), [x, weights[0].lowRank.a, weights[0].lowRank.b, weights[1].lowRank.b]);
  expect(ops).toEqual(['fill', 'lora_linear_dab', 'lora_linear_dab', 'lora_linear_dx']);
});

test('optional backward outputs are computed only where wanted', () => {
  const g = new Graph();
  const [x, w] = [g.feed('x', 'f32', [4, 3]), g.feed('w', 'f32', [5, 3])];
  const { logp } = crossEntropy(g, { x, w, labels: g.feed('labels', 'i32', [4]) });
  const [dx] = gradients(g, [{ value: logp }], [x]);
  const node = dx!.producer!;
  expect([node.op, [...node.droppable]]).toEqual(['cross_entropy_grad', ['dw']]);
});

test('the gradient of a prompt keeps the range of ids it belongs to', () => {
  const g = new Graph();
  const [table, prompt, ids] = [g.feed('table', 'f32', [7, 2]), g.feed('prompt', 'f32', [3, 2]), g.feed('ids', 'i32', [4])];
  const [dtable] = gradients(g, [{ value: embedding(g, { table, prompt, ids }) }], [table]);
  expect(dtable!.producer!.output('dprompt').shape).toEqual([3, 2]);
  expect([...dtable!.producer!.droppable]).toEqual(['dtable']);
});

test.each<[string, (g: Graph, x: Value) => Value, string]>([
  ['an op without rule', (g, x) => logSoftmax(g, { x, name: 'head' }), "log_softmax 'head', output y: no gradient rule starts from it."],
  ['a norm over gradients', (g, x) => globalNorm(g, { x: [x] }), "global_norm 'global_norm', output y: no gradient rule starts from it."],
  ['an output without rule', (g, x) => crossEntropy(g, { x, w: g.feed('w', 'f32', [4, 3]), labels: g.feed('l', 'i32', [3]), name: 'loss' }).lse, "cross_entropy 'loss', output lse: no gradient rule starts from it."],
  ['attention statistics', (g, x) => prefixAttention(g, { q: x, k: x, v: x, kOffsets: g.feed('o', 'i32', [4]), heads: 1 }).lse, "prefix_attention 'prefix_attention', output lse: no gradient rule starts from it."],
  ['the trunk of hyper_heads', (g, x) => hyperHeads(g, { u: x, w1: g.feed('w1', 'f32', [2, 3]), b1: g.feed('b1', 'f32', [2]), heads: [{ w: g.feed('w', 'f32', [1, 2]), b: g.feed('b', 'f32', [1]) }] })[0].producer!.output('t'), "hyper_heads 'hyper_heads', output t: no gradient rule starts from it."],
])('refuses %s', (_, build, message) => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3, 3]);
  const y = build(g, x);
  const error = errorOf(() => gradients(g, [{ value: y }], [x]));
  expect([error.code, error.message]).toEqual(['GRAPH_GRADIENT', message]);
});

test('refuses operands without rule, and low rank beside scales on packed rows', () => {
  const g = new Graph();
  const [x, w, factors] = [g.feed('x', 'f32', [4, 3]), g.feed('w', 'f32', [2, 3]), g.feed('factors', 'f32', [2, 2])];
  const offsets = g.feed('offsets', 'i32', [3]);
  const [y] = loraLinear(g, { x, weights: [{ w, sOut: factors }], offsets, scaleSlots: g.feed('z', 'i32', [2]), name: 'o' });
  expect(errorOf(() => gradients(g, [{ value: y }], [factors])).message).toBe("lora_linear 'o', operand s_out: no gradient rule leads to it.");
  expect(errorOf(() => gradients(g, [{ value: y }], [w])).message).toContain("lora_linear 'o', operand s_out: gradients of w, a or b beside a scale need one row per token");
  expect(gradients(g, [{ value: y }], [x])[0]!.producer!.op).toBe('lora_linear_dx');
});

test('refuses to cross persistent state', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3]);
  const cache = g.buffer(fakeBuffer('f32', 3), [3], 'cache');
  assign(g, { buffer: cache, x: scale(g, { x, alpha: 2 }), name: 'store' });
  const y = mul(g, { a: cache, b: x });
  const error = errorOf(() => gradients(g, [{ value: y }], [x]));
  expect([error.code, error.message]).toEqual(['GRAPH_GRADIENT', "mul 'mul', operand a: cache is persistent state that assign 'store' writes; no gradient crosses it."]);
});

test('refuses to read a weight after its update', () => {
  const { g, x, hidden } = twoLayers();
  const w = g.buffer(fakeBuffer('f32', 10), [2, 5], 'w');
  const y = linear(g, { x: hidden, w, name: 'out' });
  const state = (name: string) => g.buffer(fakeBuffer('f32', 10), [2, 5], name);
  const one = fill(g, { value: 1, shape: [1] });
  adamw(g, { param: w, m: state('m'), v: state('v'), grad: state('grad'), rates: fill(g, { value: 1, shape: [3] }), gscale: one, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, name: 'step' });
  expect(errorOf(() => gradients(g, [{ value: y }], [x])).message).toBe(
    "lora_linear 'out', operand w[0]: w is changed by adamw 'step' before the backward pass reads it; ask for gradients first.",
  );
});

test('effects off the path do not matter', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3]);
  const [y, total] = [cast(g, { x: gatherRows(g, { x: g.feed('m', 'f32', [2, 3]), index: g.feed('i', 'i32', [1]) }), dtype: 'f32' }), g.buffer(fakeBuffer('f32', 1), [1], 'total')];
  accumulate(g, { buffer: total, x: sum(g, { x: y }) });
  const z = scale(g, { x, alpha: 3 });
  accumulate(g, { buffer: total, x: sum(g, { x: z }) });
  expect(gradients(g, [{ value: z }], [x])[0]!.producer!.op).toBe('scale');
});

test('gradients do not pass int8 weights', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [4, 3]);
  const int8 = { w: g.buffer(fakeBuffer('i8', 15), [5, 3], 'w'), wScale: g.buffer(fakeBuffer('f32', 5), [5], 'scales') };
  const { logp } = crossEntropy(g, { x, ...int8, labels: g.feed('labels', 'i32', [4]) });
  for (const loss of [sum(g, { x: linear(g, { x, ...int8 }) }), sum(g, { x: logp })]) {
    const error = errorOf(() => gradients(g, [{ value: loss }], [x]));
    expect([error.code, error.message]).toEqual(['GRAPH_GRADIENT', expect.stringContaining('operand w: gradients do not pass int8 weights.')]);
  }
});
