/** Wrappers without a gradient: that operands and attributes reach the op they are meant for. */
import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { RunInputs, Value } from '../../lib/graph/index.ts';
import {
  Graph, adamw, assign, compile, gradScale, globalNorm, kvAppend, logSoftmax, logitRules, prefixAttention, prefixAttentionDecode, sample, topK, writeRows, zero,
} from '../../lib/graph/index.ts';
import { errorOf, fakeBuffer } from './support.ts';

const engine = Engine.open({ device: 'reference' });
afterAll(() => engine.dispose());

async function run<F extends string>(g: Graph, fetches: Record<F, Value>, inputs: RunInputs = {}): Promise<Record<F, number[]>> {
  const program = compile(engine, g, { fetches });
  const result = await program.run(inputs);
  program.dispose();
  return Object.fromEntries((Object.keys(fetches) as F[]).map((name) => [name, [...result[name]]])) as Record<F, number[]>;
}

async function state(g: Graph, name: string, dtype: 'f32' | 'i32', shape: number[], data?: number[]): Promise<Value> {
  const buffer = engine.buffer(dtype, shape.reduce((a, b) => a * b, 1), { name });
  if (data) await engine.write(buffer, dtype === 'i32' ? Int32Array.from(data) : Float64Array.from(data));
  return g.buffer(buffer, shape);
}

test('effects on rows and whole buffers run in the order they are built', async () => {
  const g = new Graph();
  const rows = await state(g, 'rows', 'f32', [3, 2], [1, 2, 3, 4, 5, 6]);
  const copy = await state(g, 'copy', 'f32', [3, 2]);
  writeRows(g, { buffer: rows, index: g.feed('index', 'i32', [2]), x: g.feed('x', 'f32', [2, 2]) });
  assign(g, { buffer: copy, x: rows });
  zero(g, { buffer: rows });
  const out = await run(g, { rows, copy }, { feeds: { index: Int32Array.of(2, -1), x: Float32Array.of(7, 8, 9, 10) } });
  expect(out).toEqual({ rows: [0, 0, 0, 0, 0, 0], copy: [1, 2, 3, 4, 7, 8] });
});

test('adamw takes its first step along the clipped mean gradient', async () => {
  const g = new Graph();
  const param = await state(g, 'param', 'f32', [2], [1, -2]);
  const [m, v] = [await state(g, 'm', 'f32', [2]), await state(g, 'v', 'f32', [2])];
  const copy = await state(g, 'copy', 'f32', [2]);
  const grad = g.feed('grad', 'f32', [2]);
  const { scale, norm } = gradScale(g, { norm: globalNorm(g, { x: [grad] }), count: g.feed('count', 'f32', [1]), maxNorm: 1 });
  adamw(g, { param, m, v, copy, grad, rates: g.feed('rates', 'f32', [3]), gscale: scale, beta1: 0.5, beta2: 0.75, eps: 0, weightDecay: 0.5, lrScale: 2 });
  const out = await run(g, { param, copy, m, v, norm, scale }, { feeds: { grad: Float64Array.of(30, -40), count: Float64Array.of(10), rates: Float64Array.of(0.125, 0.5, 0.25) } });
  // Norm 50 / 10 = 5 is clipped to 1: g = (0.6, -0.8); mhat / sqrt(vhat) = sign g; p -= 0.25 (sign g + 0.5 p).
  expect([out.norm[0], out.scale[0]]).toEqual([5, expect.closeTo(0.02, 12)]);
  [0.625, -1.5].forEach((p, i) => expect(out.param[i]).toBeCloseTo(p, 12));
  expect(out.copy).toEqual(out.param);
  [0.3, -0.4].forEach((x, i) => expect(out.m[i]).toBeCloseTo(x, 12));
  [0.09, 0.16].forEach((x, i) => expect(out.v[i]).toBeCloseTo(x, 12));
});

test('one decode step equals the last query of causal attention', async () => {
  const g = new Graph();
  const [length, inner, heads] = [3, 4, 2];
  const data = (seed: number) => Float64Array.from({ length: length * inner }, (_, i) => Math.sin(seed + 7.3 * i));
  const feeds = { q: data(1), k: data(2), v: data(3), last_k: data(2).slice(-inner), last_v: data(3).slice(-inner), length: Int32Array.of(length), offsets: Int32Array.of(0, length), bias: data(4).slice(0, 8) };
  const rows = (name: string, n: number) => g.feed(name, 'f32', [n, inner]);
  const [q, k, v, bias] = [rows('q', length), rows('k', length), rows('v', length), g.feed('bias', 'f32', [4, heads])];
  const offsets = g.feed('offsets', 'i32', [2]);
  const whole = prefixAttention(g, { q, k, v, qOffsets: offsets, kOffsets: offsets, bias, heads, causal: true, maxDistance: 5 }).o;

  /** Two keys are there already; what lies behind them must not matter. */
  const cache = (name: string, all: Float64Array) => state(g, name, 'f32', [5, inner], [...all.slice(0, 2 * inner), ...new Array<number>(3 * inner).fill(9)]);
  const [keys, values] = [await cache('keys', feeds.k), await cache('values', feeds.v)];
  const at = g.feed('length', 'i32', [1]);
  kvAppend(g, { cache: keys, x: rows('last_k', 1), length: at, cacheLength: 5 });
  kvAppend(g, { cache: values, x: rows('last_v', 1), length: at, cacheLength: 5 });
  const query = g.feed('query', 'f32', [1, inner]);
  const step = prefixAttentionDecode(g, { q: query, k: keys, v: values, length: at, bias, heads, cacheLength: 5, maxDistance: 5 });
  const out = await run(g, { whole, step }, { feeds: { ...feeds, query: feeds.q.slice(-inner) } });
  out.step.forEach((x, i) => expect(x).toBeCloseTo(out.whole[2 * inner + i], 12));
});

test('logits pass rules, ranking and sampling', async () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [1, 4]);
  const [token, length, done, history] = [await state(g, 'token', 'i32', [1], [3]), await state(g, 'length', 'i32', [1], [1]), await state(g, 'done', 'i32', [1]), await state(g, 'history', 'i32', [1, 5], [3, 0, 0, 0, 0])];
  const eos = g.feed('eos', 'i32', [1]);
  const ruled = logitRules(g, { x, history, length, eos, suppress: g.feed('suppress', 'i32', [1]), repetitionPenalty: 2, minLength: 2 });
  const { value, id } = topK(g, { x: ruled, k: 2 });
  const { next, logp, stop } = sample(g, { x: ruled, token, length, done, history, params: g.feed('params', 'f32', [1, 4]), seed: g.feed('seed', 'i32', [1, 2]), eos, pad: 0 });
  const feeds = { x: Float64Array.of(5, 4, 1, 3), eos: Int32Array.of(0), suppress: Int32Array.of(1), params: Float64Array.of(0, 0, 1, 5), seed: Int32Array.of(1, 2) };
  const out = await run(g, { ruled, value, id, next, logp, stop, lengths: length, history, plain: logSoftmax(g, { x: ruled }) }, { feeds });
  expect(out).toMatchObject({ ruled: [-Infinity, -Infinity, 1, 1.5], value: [1.5, 1], id: [3, 2], next: [3], stop: [0], lengths: [2], history: [3, 3, 0, 0, 0] });
  expect(out.logp[0]).toBeCloseTo(-Math.log(1 + Math.exp(-0.5)), 12);
  expect(out.logp[0]).toBeCloseTo(out.plain[3], 12);
});

test('heads must divide the inner width', () => {
  const g = new Graph();
  const q = g.feed('q', 'f32', [3, 4]);
  const kOffsets = g.feed('o', 'i32', [4]);
  expect(errorOf(() => prefixAttention(g, { q, k: q, v: q, kOffsets, heads: 3, name: 'self' })).message).toBe("prefix_attention 'self', operand q: its inner width 4 is not a multiple of 3 heads.");
  const cache = g.buffer(fakeBuffer('f32', 60), [15, 4]);
  expect(errorOf(() => prefixAttentionDecode(g, { q, k: cache, v: cache, length: g.feed('l', 'i32', [3]), heads: 3, cacheLength: 5 })).code).toBe('GRAPH_INVALID');
});
