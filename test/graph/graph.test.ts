import { expect, test } from 'vitest';
import { Dim, Graph, add, linear, rmsNorm, sameSize, splitRows } from '../../lib/graph/index.ts';
import { errorOf, fakeBuffer } from './support.ts';

test('sizes are coefficient * symbol + addend', () => {
  const g = new Graph();
  const T = g.symbol('T', 8);
  const size = T.times(3).plus(1).times(2);
  expect([size.coef, size.symbol.name, size.add, String(size)]).toEqual([6, 'T', 2, '6*T+2']);
  expect(sameSize(g.symbol('T', 8).plus(1), T.plus(1))).toBe(true);
  expect(sameSize(T, T.plus(1))).toBe(false);
  expect(T).toBeInstanceOf(Dim);
  expect(errorOf(() => T.times(0)).code).toBe('GRAPH_INVALID');
  expect(errorOf(() => T.plus(-1)).code).toBe('GRAPH_INVALID');
});

test('a symbol has one capacity and a feed one declaration', () => {
  const g = new Graph();
  g.symbol('T', 8);
  expect(errorOf(() => g.symbol('T', 9)).message).toBe('symbol T exists with capacity 8, not 9.');
  expect(errorOf(() => g.symbol('U', 0.5)).field).toBe('capacity of symbol U');
  g.feed('x', 'f32', [1]);
  expect(errorOf(() => g.feed('x', 'f32', [1])).message).toBe('feed x is declared twice.');
  expect(errorOf(() => g.feed('y', 'f32', [])).message).toContain('feed y: [] has 0 dimensions');
  expect(errorOf(() => g.feed('y', 'f32', [-1])).message).toContain('not an integer in [0, 2^31)');
});

test('a buffer and a shape give one value', () => {
  const g = new Graph();
  const buffer = fakeBuffer('bf16', 12, { name: 'shared' });
  const value = g.buffer(buffer, [3, 4]);
  expect(g.buffer(buffer, [3, 4], 'another name')).toBe(value);
  expect(g.buffer(buffer, [4, 3])).not.toBe(value);
  expect([value.name, value.dtype]).toEqual(['shared', 'bf16']);
  expect(errorOf(() => g.buffer(buffer, [g.symbol('N', 4), 4])).message).toBe('buffer shared has 12 elements, [N, 4] needs 16.');
});

test('nodes are numbered in order and named by their scopes', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3, 4]);
  const y = g.scope('decoder', () => g.scope('block.2', () => rmsNorm(g, { x, gain: g.feed('gain', 'f32', [4]), eps: 1e-6, name: 'norm' }).y));
  const z = add(g, { a: y, b: x });
  expect([y.producer!.name, y.name, z.producer!.name]).toEqual(['decoder.block.2.norm', 'decoder.block.2.norm.y', 'add']);
  expect(g.nodes.map((node) => node.id)).toEqual([0, 1]);
  const w = g.feed('w', 'f32', [2, 5]);
  expect(errorOf(() => g.scope('decoder', () => linear(g, { x: y, w, name: 'q' }))).message).toBe("lora_linear 'decoder.q', operand w[0]: dimension 1 of [2, 5] must be 4 (in).");
  expect(add(g, { a: x, b: x }).producer!.name).toBe('add');
});

test('operands and attributes go by their names in the op table', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3, 4]);
  expect(errorOf(() => g.node('add', { a: x, c: x }, { dtype: 'f32' })).message).toBe("add 'add', operand c: is not an operand of this op.");
  expect(errorOf(() => g.node('add', { a: x, b: x })).message).toBe("add 'add', attribute dtype: is missing.");
  expect(errorOf(() => g.node('sum', { x }, { alpha: 1 })).message).toBe("sum 'sum', attribute alpha: is not an attribute of this op.");
  expect(errorOf(() => g.node('concat_rows', { x: [x, x] }, { n: 3, dtype: 'f32' })).message).toBe("concat_rows 'concat_rows', operand x: has 2 entries, not 3.");
  expect(errorOf(() => splitRows(g, { x, n: 0 })).field).toBe('attribute n');
  const other = new Graph().feed('stranger', 'f32', [3, 4]);
  expect(errorOf(() => add(g, { a: x, b: other })).message).toBe("add 'add', operand b: stranger belongs to another graph.");
  expect(g.nodes).toEqual([]);
});

test('effects write persistent buffers that are not frozen', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3]);
  expect(errorOf(() => g.node('zero', { buffer: x })).message).toContain('operand buffer: x is written, so it must be a persistent buffer.');
  const frozen = g.buffer(fakeBuffer('f32', 3, { frozen: true, name: 'w' }), [3]);
  expect(errorOf(() => g.node('assign', { buffer: frozen, x })).message).toContain('operand buffer: w is written, but the buffer is frozen.');
});
