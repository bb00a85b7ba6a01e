import { describe, expect, test } from 'vitest';
import { Graph } from '../../lib/graph/index.ts';
import type { Node, Operand, Value } from '../../lib/graph/index.ts';
import type { OpName } from '../../lib/graph/ops.gen.ts';
import { OPS } from '../../lib/graph/ops.gen.ts';
import type { OpCase } from './op-cases.ts';
import { OP_CASES } from './op-cases.ts';
import { errorOf, fakeBuffer, parseType, shapeText } from './support.ts';

function build(op: OpName, c: OpCase): Node {
  const g = new Graph();
  let made = 0;
  const value = (operand: string, text: string | undefined): Value | undefined => {
    if (text === undefined) return undefined;
    const { dtype, shape } = parseType(g, text);
    if (OPS[op].inputs.find((o) => o.name === operand)?.writes) return g.buffer(fakeBuffer(dtype, 1000), shape, operand);
    return g.feed(`${operand}.${made++}`, dtype, shape);
  };
  const inputs: Record<string, Operand> = Object.fromEntries(Object.entries(c.in).map(([k, t]) => [k, Array.isArray(t) ? t.map((x) => value(k, x)) : value(k, t)]));
  const shapes = Object.fromEntries(Object.entries(c.shapes ?? {}).map(([k, t]) => [k, parseType(g, t).shape]));
  return g.scope('block.0', () => g.node(op, inputs, c.attrs, { name: 'it', shapes }));
}

const withOperand = (c: OpCase, operand: string, change: (text: string) => string | undefined): OpCase => {
  const text = c.in[operand];
  return { ...c, in: { ...c.in, [operand]: Array.isArray(text) ? [text[0] && change(text[0]), ...text.slice(1)] : text && change(text) } };
};

describe.each(Object.entries(OP_CASES) as [OpName, OpCase][])('%s', (op, c) => {
  const schema = OPS[op];

  test('gives the shapes and types of the table', () => {
    const node = build(op, c);
    const seen = Object.fromEntries([...node.outputs].map(([name, list]) => [name, schema.outputs.find((o) => o.name === name)!.repeat ? list.map((v) => shapeText(v!)) : shapeText(list[0]!)]));
    expect(seen).toEqual(c.out);
  });

  test.each(schema.inputs.filter((o) => !o.optional).map((o) => o.name))('refuses a missing %s', (operand) => {
    const error = errorOf(() => build(op, withOperand(c, operand, () => undefined)));
    expect(error.code).toBe('GRAPH_INVALID');
    expect(error.message).toContain(`${op} 'block.0.it', operand ${operand}`);
    expect(error.message).toContain('missing');
  });

  test.each(schema.inputs.filter((o) => o.dtype !== 'any' && (Array.isArray(c.in[o.name]) ? c.in[o.name]![0] : c.in[o.name])).map((o) => [o.name]))('refuses %s of another type or rank', (operand) => {
    const other = errorOf(() => build(op, withOperand(c, operand, (t) => (t.startsWith('i32') ? t.replace('i32', 'f32') : t.replace(/^\w+/, 'i32')))));
    expect(other.message).toMatch(new RegExp(`^${op} 'block\\.0\\.it', operand ${operand}(\\[0\\])?: .* is (i32|f32), not `));
    if (schema.inputs.find((o) => o.name === operand)!.shape.kind !== 'dims') return;
    const deeper = errorOf(() => build(op, withOperand(c, operand, (t) => `${t} 1`)));
    expect(deeper.message).toContain('dimensions, not');
  });

  test.each((c.bad ?? []).map((b, i) => [i, ...b] as const))('refuses misfit %i: %s', (_, place, operands, attrs) => {
    const error = errorOf(() => build(op, { ...c, in: { ...c.in, ...operands }, attrs: { ...c.attrs, ...attrs } }));
    expect(error.code).toBe('GRAPH_INVALID');
    expect(error.message).toMatch(new RegExp(`^${op} 'block\\.0\\.it', (operand|attribute) `));
    expect(error.message.split(':')[0]).toContain(place);
  });
});

test('a packed row count follows from tokens when there are no offsets', () => {
  const g = new Graph();
  const T = g.symbol('T', 9);
  const x = g.feed('x', 'f32', [T, 2]);
  const w = g.feed('w', 'f32', [3, 2]);
  const slots = (rows: number | typeof T) => g.feed(`slots ${rows}`, 'i32', [rows]);
  expect(g.node('lora_linear', { x, w: [w], slots: slots(T) }, { page_rank: 1, dtype: 'f32' }).output('y').shape).toEqual([T, 3]);
  expect(errorOf(() => g.node('lora_linear', { x, w: [w], slots: slots(4) }, { page_rank: 1, dtype: 'f32' })).message).toContain('operand offsets: is absent, so T (T) must equal R (4)');
});

test('output shapes that operands leave open must be given, and must fit', () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [3, 4]);
  const index = g.feed('index', 'i32', [3]);
  expect(errorOf(() => g.node('scatter_add_rows', { x, index })).message).toContain('operand y: its dimension N follows from no operand');
  expect(errorOf(() => g.node('scatter_add_rows', { x, index }, {}, { shapes: { y: [5, 3] } })).message).toContain('dimension 1 of [5, 3] must be 4');
  expect(errorOf(() => g.node('fill', {}, { value: 1 })).message).toContain('its shape must be given');
  expect(errorOf(() => g.node('fill', {}, { value: 1 }, { shapes: { z: [1] } })).message).toContain('output z');
  expect(errorOf(() => g.node('fill', {}, { value: 1 }, { shapes: { y: [1.5] } })).message).toContain('not an integer');
  expect(errorOf(() => g.node('fill', {}, { value: 1 }, { shapes: { y: [1, 1, 1, 1, 1] } })).message).toContain('5 dimensions');
  expect(errorOf(() => g.node('add', { a: x, b: x }, { dtype: 'f32' }, { shapes: { y: [4, 3] } })).message).toContain('differs in shape from a');
});

test('reshape keeps the number of elements for every value of the symbols', () => {
  const g = new Graph();
  const T = g.symbol('T', 9);
  const x = g.feed('x', 'f32', [T.times(2), 6]);
  const reshape = (...shape: (number | typeof T)[]) => g.node('reshape', { x }, {}, { shapes: { y: shape } }).output('y').shape;
  expect(reshape(3, T, 4)).toEqual([3, T, 4]);
  expect(errorOf(() => reshape(T, 6)).message).toContain('another number of elements');
  expect(errorOf(() => reshape(12)).message).toContain('another number of elements');
  expect(errorOf(() => reshape(T.plus(1), 12)).message).toContain('another number of elements');
});
