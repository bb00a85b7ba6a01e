import { afterEach, expect } from 'vitest';
import { Engine, type EngineOptions } from '../../lib/engine/engine.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import { Graph, add, compile, linear, scale, sum, type Program } from '../../lib/graph/index.ts';

const open: Engine[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((engine) => engine.dispose()));
});

/** An engine that is disposed of after the test. */
export function openEngine(options: EngineOptions = { device: 'cpu' }): Engine {
  const engine = Engine.open(options);
  open.push(engine);
  return engine;
}

/** The HypertuneError that a call throws or rejects with; fails when there is none. */
export async function failure(call: () => unknown): Promise<HypertuneError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(HypertuneError);
    return error as HypertuneError;
  }
  throw new Error('nothing was thrown');
}

/** y = 2 x for x f32 [T, 3]. */
export function doubling(engine: Engine, capacity = 100): Program<'y'> {
  const g = new Graph();
  const x = g.feed('x', 'f32', [g.symbol('T', capacity), 3]);
  return compile(engine, g, { fetches: { y: scale(g, { x, alpha: 2 }) } });
}

/** Thousands of products of 64 x 64 per step: repeated often enough, it outlives every test. */
export function endless(engine: Engine): { program: Program<'total'>; options: { feeds: { x: Float32Array }; repeat: number } } {
  const g = new Graph();
  const x = g.feed('x', 'f32', [64, 64]);
  let y = x;
  for (let i = 0; i < 50; ++i) y = add(g, { a: linear(g, { x: y, w: x }), b: x });
  return { program: compile(engine, g, { fetches: { total: sum(g, { x: y }) } }), options: { feeds: { x: new Float32Array(4096).fill(0.01) }, repeat: 1 << 20 } };
}
