import { expect, test } from 'vitest';
import type { Engine } from '../../lib/engine/engine.ts';
import { Graph, accumulate, activation, diff, gradients, linear, rmsNorm, scale, sum } from '../../lib/graph/index.ts';

const random = (count: number, seed: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * 12.9898));

/** Two layers, their gradient, and a sum that a buffer keeps. `fault` multiplies the hidden layer. */
async function build(engine: Engine, fault = 1): Promise<Graph> {
  const g = new Graph();
  const T = g.symbol('T', 7);
  const weights = engine.buffer('bf16', 15, { name: 'w' });
  await engine.write(weights, random(15, 1).map((x) => Math.round(x * 64) / 64)); // exact in bf16: the reference does not round
  const w = g.buffer(weights, [3, 5]);
  const { y } = rmsNorm(g, { x: g.feed('x', 'f32', [T, 5]), gain: g.feed('gain', 'f32', [5]), eps: 1e-6 });
  const hidden = scale(g, { x: linear(g, { x: y, w, name: 'w' }), alpha: fault, name: 'hidden' });
  const loss = sum(g, { x: activation(g, { x: hidden, kind: 'gelu_new' }) });
  const [dw] = gradients(g, [{ value: loss }], [w]);
  accumulate(g, { buffer: g.buffer(engine.buffer('f32', 15, { name: 'grad' }), [3, 5]), x: dw!, name: 'keep' });
  return g;
}

const inputs = { symbols: { T: 3 }, feeds: { x: random(15, 2), gain: random(5, 3) } };

test('the fast device follows the reference', async () => {
  expect(await diff(build, inputs, 'cpu', 'reference')).toBeUndefined();
});

test('names the first node that departs', async () => {
  let built = 0;
  const found = await diff((engine) => build(engine, built++ === 0 ? 1.001 : 1), inputs, 'cpu', 'reference');
  expect([found!.node.name, found!.operand, found!.dtype]).toEqual(['hidden', 'y', 'f32']);
  expect(found!.error).toBeGreaterThan(9e-4);
  expect(found!.error).toBeLessThan(1.1e-3);
  expect(found!.a / found!.b).toBeCloseTo(1.001, 5);
});

test('sees what a node left in a buffer', async () => {
  let built = 0;
  const start = async (engine: Engine) => {
    const g = new Graph();
    const total = engine.buffer('f32', 2);
    await engine.write(total, Float32Array.of(1, built++));
    accumulate(g, { buffer: g.buffer(total, [2], 'total'), x: g.feed('x', 'f32', [2]), name: 'keep' });
    return g;
  };
  const found = await diff(start, { feeds: { x: Float32Array.of(2, 3) } }, 'cpu', 'reference');
  expect(found).toMatchObject({ operand: 'buffer', element: 1, a: 3, b: 4, error: 0.25 });
  expect(found!.node.name).toBe('keep');
});

test('an infinity or NaN on one side only is a difference', async () => {
  const log = async (engine: Engine) => {
    const g = new Graph();
    scale(g, { x: g.feed('x', 'f32', [2]), alpha: engine.device === 'cpu' ? 3e38 : 1 });
    return g;
  };
  const found = await diff(log, { feeds: { x: Float32Array.of(1, 10) } }, 'cpu', 'reference');
  expect(found).toMatchObject({ error: Infinity, element: 1, a: Infinity, b: 10 });
});

test('refuses graphs that differ', async () => {
  let built = 0;
  const other = () => {
    const g = new Graph();
    const x = g.feed('x', 'f32', [1]);
    for (let i = 0; i <= built; ++i) scale(g, { x, alpha: 2 });
    ++built;
    return g;
  };
  await expect(diff(other, { feeds: { x: Float32Array.of(1) } }, 'cpu', 'reference')).rejects.toMatchObject({ code: 'GRAPH_INVALID', field: 'build' });
});
