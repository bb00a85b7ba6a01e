import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../../lib/engine/engine.ts';
import { Graph, rmsNorm, scale, sum } from '../../../lib/graph/index.ts';
import { firstBroken } from '../../../lib/train/run/diagnose.ts';

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

/** x -> norm, with the gain of a buffer -> times 1e38 -> sum. */
async function graphOf(gain: number[]): Promise<Graph> {
  const buffer = engine.buffer('f32', 2, { name: 'gain' });
  await engine.write(buffer, Float32Array.from(gain));
  const g = new Graph();
  const { y: normed } = rmsNorm(g, { x: g.feed('x', 'f32', [3, 2]), gain: g.buffer(buffer, [2]), eps: 1e-6 });
  sum(g, { x: scale(g, { x: scale(g, { x: normed, alpha: 1e38, name: 'large' }), alpha: 10, name: 'too-large' }) });
  return g;
}

const x = Float32Array.of(1, -1, 1, 1, 2, 2);

test('the first node with a value that is no number, and which one', async () => {
  expect(await firstBroken(engine, await graphOf([1, 1]), { feeds: { x } })).toEqual({ op: 'scale', node: expect.stringContaining('too-large') as string, element: 0, value: 'Infinity' });
  expect(await firstBroken(engine, await graphOf([0, 1]), { feeds: { x } })).toMatchObject({ element: 1, value: '-Infinity' });
  expect(await firstBroken(engine, await graphOf([0, 0.01]), { feeds: { x } })).toBeUndefined();
});

test('a parameter comes before every node', async () => {
  expect(await firstBroken(engine, await graphOf([1, NaN]), { feeds: { x } })).toEqual({ op: 'parameter', node: 'gain', element: 1, value: 'NaN' });
});
