import { describe, expect, test } from 'vitest';
import { HypertuneError } from '../../lib/engine/errors.ts';
import type { ProgramEngine } from '../../lib/graph/index.ts';
import { Graph, accumulate, add, cast, compile, concatRows, crossEntropy, linear, loraLinear, rmsNorm, sample, scale, splitRows, sum, zero } from '../../lib/graph/index.ts';
import { decode, errorOf, fakeBuffer, recordingEngine } from './support.ts';

const bits = (x: number) => new Int32Array(Float32Array.of(x).buffer)[0];

describe('words', () => {
  test('hold symbols, values, nodes and fetches', () => {
    const { engine, calls } = recordingEngine();
    const g = new Graph();
    const [T, R] = [g.symbol('T', 100), g.symbol('R', 7)];
    const x = g.feed('x', 'bf16', [T, 3]);
    const w = g.buffer(fakeBuffer('f32', 6), [2, 3], 'w');
    const offsets = g.feed('offsets', 'i32', [R.times(2).plus(1)]);
    const [y, z] = loraLinear(g, { x, weights: [{ w }, { w }], offsets, dtype: 'bf16' });
    const s = scale(g, { x: add(g, { a: y, b: z }), alpha: -0.5 });
    compile(engine, g, { fetches: { s, x, w } });
    const { values, nodes, fetches, symbols, stop, keepAll } = decode(calls.words!);
    expect(symbols).toEqual([100, 7]);
    expect(values).toEqual([
      { kind: 1, dtype: 1, index: 0, dims: [[1, 0, 0], [0, -1, 3]] },
      { kind: 1, dtype: 2, index: 1, dims: [[2, 1, 1]] },
      { kind: 0, dtype: 0, index: 0, dims: [[0, -1, 2], [0, -1, 3]] },
      { kind: 2, dtype: 1, index: -1, dims: [[1, 0, 0], [0, -1, 2]] },
      { kind: 2, dtype: 1, index: -1, dims: [[1, 0, 0], [0, -1, 2]] },
      { kind: 2, dtype: 0, index: -1, dims: [[1, 0, 0], [0, -1, 2]] },
      { kind: 2, dtype: 0, index: -1, dims: [[1, 0, 0], [0, -1, 2]] },
    ]);
    const group = [2, -1, -1, -1, -1, -1, -1, -1];
    expect(nodes).toEqual([
      { op: 'lora_linear', id: 0, inputs: [0, 1, -1, -1, -1, ...group, ...group], outputs: [3, 4], attrs: [2, 1, 1] },
      { op: 'add', id: 1, inputs: [3, 4], outputs: [5], attrs: [0] },
      { op: 'scale', id: 2, inputs: [5], outputs: [6], attrs: [bits(-0.5), 0] },
    ]);
    expect([fetches, stop, keepAll]).toEqual([[6, 0, 2], -1, 0]);
    expect(calls.buffers).toEqual([{ dtype: 'f32', elements: 6, frozen: false, name: '' }]);
  });

  test('name one buffer once, whatever its shapes', () => {
    const { engine, calls } = recordingEngine();
    const g = new Graph();
    const buffer = fakeBuffer('f32', 6);
    compile(engine, g, { fetches: { a: sum(g, { x: g.buffer(buffer, [2, 3]) }), b: sum(g, { x: g.buffer(buffer, [6]) }) } });
    expect(calls.buffers).toEqual([buffer]);
    expect(decode(calls.words!).values.map((v) => [v.kind, v.index])).toEqual([[0, 0], [2, -1], [0, 0], [2, -1]]);
  });

  test('carry the stop value and the wish to keep all', () => {
    const { engine, calls } = recordingEngine();
    const g = new Graph();
    const state = (name: string, ...shape: number[]) => g.buffer(fakeBuffer('i32', 18), shape, name);
    const { next, stop } = sample(g, {
      x: g.feed('x', 'f32', [2, 11]), token: state('token', 2), length: state('length', 2), done: state('done', 2), history: state('history', 2, 9),
      params: g.feed('params', 'f32', [2, 4]), seed: g.feed('seed', 'i32', [2, 2]), eos: g.feed('eos', 'i32', [1]), pad: 0,
    });
    compile(engine, g, { fetches: { next }, stop, keepAll: true });
    const decoded = decode(calls.words!);
    expect([decoded.stop, decoded.keepAll]).toEqual([decoded.nodes[0].outputs[2], 1]);
    expect(errorOf(() => compile(engine, g, { fetches: {}, stop: next })).message).toContain('not i32 [1]');
  });
});

describe('dead code', () => {
  test('is left out with its feeds and symbols; effects and order stay', () => {
    const { engine } = recordingEngine();
    const g = new Graph();
    const x = g.feed('x', 'f32', [g.symbol('T', 4)]);
    const unused = g.feed('unused', 'f32', [g.symbol('U', 4)]);
    const total = g.buffer(fakeBuffer('f32', 1), [1], 'total');
    zero(g, { buffer: total });
    const half = scale(g, { x, alpha: 0.5 });
    scale(g, { x: unused, alpha: 2 });
    accumulate(g, { buffer: total, x: sum(g, { x }) });
    const program = compile(engine, g, { fetches: { total } });
    expect(program.nodes.map((n) => n.op)).toEqual(['zero', 'sum', 'accumulate']);
    expect([program.feeds, program.symbols]).toEqual([['x'], ['T']]);
    expect(compile(engine, g, { fetches: { half } }).nodes.map((n) => n.id)).toEqual([0, 1, 3, 4]);
  });

  test('includes optional outputs that nobody reads', () => {
    const { engine, calls } = recordingEngine();
    const g = new Graph();
    const x = g.feed('x', 'f32', [3, 4]);
    const { y, h } = rmsNorm(g, { x, residual: x, gain: g.feed('gain', 'f32', [4]), eps: 1e-6 });
    const outputs = () => decode(calls.words!).nodes[0].outputs.map((id) => id >= 0);
    compile(engine, g, { fetches: { y } });
    expect(outputs()).toEqual([true, false]);
    compile(engine, g, { fetches: { y, h } });
    expect(outputs()).toEqual([true, true]);
    cast(g, { x: h, dtype: 'bf16' });
    compile(engine, g, { fetches: { y } });
    expect(outputs()).toEqual([true, false]);
  });

  test('spares optional outputs that name a size no operand has', () => {
    const { engine, calls } = recordingEngine();
    const g = new Graph();
    const operands = { table: g.feed('table', 'f32', [11, 3]), ids: g.feed('ids', 'i32', [4]), dy: g.feed('dy', 'f32', [4, 3]) };
    const node = g.node('embedding_grad', operands, {}, { shapes: { dprompt: [2, 3] } });
    compile(engine, g, { fetches: { dtable: node.output('dtable') } });
    expect(decode(calls.words!).nodes[0].outputs).toEqual([3, 4]);
    compile(engine, g, { fetches: { dprompt: node.output('dprompt') } });
    expect(decode(calls.words!).nodes[0].outputs).toEqual([-1, 3]);
  });
});

describe('run', () => {
  function program(device = 'cpu') {
    const recorded = recordingEngine(device);
    const g = new Graph();
    const T = g.symbol('T', 4);
    const x = g.feed('x', 'f32', [T, 2]);
    const labels = g.feed('labels', 'i32', [T]);
    const { logp } = crossEntropy(g, { x, w: g.feed('w', 'bf16', [5, 2]), labels });
    g.feed('spare', 'f32', [1]);
    g.symbol('U', 3);
    return { ...recorded, program: compile(recorded.engine, g, { fetches: { logp } }) };
  }
  const good = { symbols: { T: 3 }, feeds: { x: new Float32Array(6), labels: new Int32Array(3), w: new Float32Array(10) } };

  test('binds symbols and feeds in the order of the words', async () => {
    const { program: p, calls } = program();
    const signal = new AbortController().signal;
    const result = await p.run({ ...good, repeat: 2, signal });
    expect([Object.keys(result), result.steps, result.logp]).toEqual([['logp', 'steps'], 1, Float32Array.of(decode(calls.words!).fetches[0])]);
    expect([calls.symbols, calls.options]).toEqual([[3], { repeat: 2, signal }]);
    expect(calls.feeds).toEqual(p.feeds.map((name) => good.feeds[name as keyof typeof good.feeds]));
  });

  test('ignores what another program of the graph needs', async () => {
    const { program: p, calls } = program();
    await p.run({ symbols: { T: 3, U: 1 }, feeds: { ...good.feeds, spare: new Float32Array(1) } });
    expect(calls.feeds).toHaveLength(3);
  });

  test.each([
    ['a missing feed', { feeds: { labels: undefined } }, 'feed labels: is missing (i32 [T]).'],
    ['an unknown feed', { feeds: { y: new Float32Array(1) } }, 'feed y: the graph has no such feed; it has x, labels, w, spare.'],
    ['a wrong type', { feeds: { x: new Int32Array(6) } }, 'feed x: is f32, so it must be Float32Array, not Int32Array.'],
    ['f64 outside the reference device', { feeds: { x: new Float64Array(6) } }, 'feed x: is f32, so it must be Float32Array, not Float64Array.'],
    ['floats for integers', { feeds: { labels: new Float32Array(3) } }, 'feed labels: is i32, so it must be Int32Array, not Float32Array.'],
    ['null', { feeds: { x: null } }, 'feed x: is f32, so it must be Float32Array, not null.'],
    ['a wrong length', { feeds: { x: new Float32Array(5) } }, 'feed x: has 5 elements, [T, 2] needs 6.'],
    ['a missing symbol', { symbols: { T: undefined } }, 'symbol T: is missing.'],
    ['an unknown symbol', { symbols: { V: 1 } }, 'symbol V: the graph has no such symbol; it has T, U.'],
    ['a symbol above capacity', { symbols: { T: 5 } }, 'symbol T: 5 is not an integer in [0, 4].'],
    ['a broken symbol', { symbols: { T: 1.5 } }, 'symbol T: 1.5 is not an integer in [0, 4].'],
  ])('refuses %s', async (_, change, message) => {
    const { program: p, calls } = program();
    const { symbols, feeds } = change as { symbols?: Record<string, number>; feeds?: Record<string, Float32Array> };
    const error = await p.run({ symbols: { ...good.symbols, ...symbols }, feeds: { ...good.feeds, ...feeds } }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'FEED_INVALID', message });
    expect(calls.feeds).toBeUndefined();
  });

  test('takes f64 on the reference device', async () => {
    const { program: p, calls } = program('reference');
    const x = new Float64Array(6);
    await p.run({ ...good, feeds: { ...good.feeds, x } });
    expect(calls.feeds).toContain(x);
  });

  test('ends with dispose, which can be called twice', async () => {
    const { program: p, calls } = program();
    p.dispose();
    p.dispose();
    expect(calls.disposed).toBe(1);
    await expect(p.run(good)).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
  });
});

test('fetches are values of the graph, and none is called steps', () => {
  const { engine } = recordingEngine();
  const g = new Graph();
  const x = g.feed('x', 'f32', [1]);
  expect(errorOf(() => compile(engine, new Graph(), { fetches: { x } })).message).toBe('fetch x: x belongs to another graph.');
  expect(errorOf(() => compile(engine, g, { fetches: { steps: x } })).code).toBe('GRAPH_INVALID');
});

test('errors of the engine name nodes, feeds and buffers, not positions', async () => {
  const g = new Graph();
  const x = g.feed('x', 'f32', [4, 2]);
  const w = g.buffer(fakeBuffer('f32', 6, { name: 'decoder.w' }), [3, 2]);
  const y = g.scope('encoder', () => linear(g, { x: splitRows(g, { x, n: 2 })[1], w, name: 'q' }));
  const fetches = { both: concatRows(g, { x: [y, y] }) };
  const raise = (field: string, message: string) => () => {
    throw new HypertuneError('GRAPH_INVALID', message, { field, remedy: 'Look at it.' });
  };
  const { engine } = recordingEngine();
  const at = (field: string, message: string) => errorOf(() => compile({ ...engine, compile: raise(field, message) } as ProgramEngine, g, { fetches }));
  const error = at('node 1 (lora_linear) operand w', 'is too large.');
  expect(error).toMatchObject({ code: 'GRAPH_INVALID', field: "lora_linear 'encoder.q' operand w", remedy: 'Look at it.' });
  expect(error.message).toBe("lora_linear 'encoder.q' operand w: is too large. Look at it.");
  expect(at('buffer', 'buffer 0 has 5 elements.').message).toBe('buffer decoder.w has 5 elements. Look at it.');
  expect(at('node 9 (add)', 'is unknown.').field).toBe('node 9 (add)');
  const run = async () => raise('feed 0', 'out of range.')();
  const program = compile({ ...engine, run } as ProgramEngine, g, { fetches });
  await expect(program.run({ feeds: { x: new Float32Array(8) } })).rejects.toMatchObject({ field: 'feed x', message: 'feed x: out of range. Look at it.' });
});
