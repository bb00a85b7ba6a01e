// Runs through the addon: bindings, feeds, index checks, repetition, stop values, abortion, threads.
import { describe, expect, test } from 'vitest';
import { cpuSettings } from '../../lib/engine/engine.ts';
import { OP_TABLE_VERSION } from '../../lib/graph/ops.gen.ts';
import { Graph, accumulate, compile, crossEntropy, embedding, gatherRows, linear, loraLinear, prefixAttention, reshape, rmsNorm, sample, sum, topK, zero, type Program } from '../../lib/graph/index.ts';
import { doubling, endless, failure, openEngine } from './support.ts';

const ramp = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i));

describe('command buffers', () => {
  const header = (words: Partial<Record<number, number>>) => Int32Array.from(Object.values({ ...[0x48545031, OP_TABLE_VERSION, 0, 0, 0, 0, -1, 0, 12, 0, 0, 0], ...words }));

  test('an empty one is a program', async () => {
    const engine = openEngine();
    const program = engine.compile(header({}), []);
    expect(program.arenaBytes).toBe(0);
    expect(await engine.run(program, new Int32Array(0), [])).toEqual({ fetches: [], steps: 1 });
  });

  test.each([
    ['magic', header({ 0: 1 })], ['version', header({ 1: OP_TABLE_VERSION + 1 })], ['total words', header({ 8: 13 })], ['stop value', header({ 6: 0 })],
    ['magic', new Int32Array(0)], ['node count', header({ 4: -1 })],
  ])('a wrong %s is refused by name', async (field, words) => {
    const engine = openEngine();
    expect(await failure(() => engine.compile(words, []))).toMatchObject({ code: 'GRAPH_INVALID', field });
  });

  test('words of another type are refused', async () => {
    const engine = openEngine();
    expect((await failure(() => engine.compile(new Float32Array(12) as unknown as Int32Array, []))).code).toBe('FEED_INVALID');
  });
});

describe('feeds and symbols', () => {
  test.each([
    ['too few feeds', [2], [], 'feeds'],
    ['too short a feed', [2], [new Float32Array(5)], 'feed 0'],
    ['too long a feed', [2], [new Float32Array(7)], 'feed 0'],
    ['integers', [2], [new Int32Array(6)], 'feed 0'],
    ['no symbol', [], [new Float32Array(6)], 'symbols'],
    ['a symbol past its capacity', [11], [new Float32Array(33)], 'symbol 0'],
    ['a negative symbol', [-1], [new Float32Array(0)], 'symbol 0'],
  ] as const)('refuse %s', async (_, symbols, feeds, field) => {
    const engine = openEngine();
    const g = new Graph();
    const x = g.feed('x', 'f32', [g.symbol('T', 10), 3]);
    const words: Int32Array[] = [];
    compile({ device: 'cpu', compile: (w) => (words.push(w), engine.compile(w, [])), run: () => Promise.reject(new Error('not run')) }, g, { fetches: { y: sum(g, { x }) } });
    const program = engine.compile(words[0], []);
    expect(await failure(() => engine.run(program, Int32Array.from(symbols), feeds))).toMatchObject({ code: 'FEED_INVALID', field });
    const { fetches } = await engine.run(program, Int32Array.of(2), [new Float32Array(6).fill(2)]);
    expect(fetches).toEqual([Float32Array.of(12)]);
  });

  test('one program serves many sizes and equals fresh programs', async () => {
    const engine = openEngine();
    const build = () => {
      const g = new Graph();
      const [T, R] = [g.symbol('T', 40), g.symbol('R', 5)];
      const q = g.feed('q', 'f32', [T, 8]);
      const offsets = g.feed('offsets', 'i32', [R.plus(1)]);
      const { o } = prefixAttention(g, { q, k: q, v: q, qOffsets: offsets, kOffsets: offsets, heads: 2 });
      return compile(engine, g, { fetches: { o } });
    };
    const program = build();
    for (const offsets of [[0, 3, 40], [0, 40], [0], [0, 1, 2, 3, 4, 17], [0, 0, 5], [0, 3, 40]]) {
      const T = offsets.at(-1)!;
      const inputs = { symbols: { T, R: offsets.length - 1 }, feeds: { q: ramp(T * 8), offsets: Int32Array.from(offsets) } };
      const fresh = build();
      expect((await program.run(inputs)).o).toEqual((await fresh.run(inputs)).o);
      fresh.dispose();
    }
  });

  test('twenty bindings in turn, more than are kept', async () => {
    const program = doubling(openEngine());
    for (const round of [1, 2])
      for (let T = 0; T < 20; ++T) {
        const { y } = await program.run({ symbols: { T }, feeds: { x: new Float32Array(3 * T).fill(round + T) } });
        expect(y).toEqual(new Float32Array(3 * T).fill(2 * (round + T)));
      }
  });
});

describe('indices', () => {
  const gather = (device: 'cpu' | 'reference', source: 'feed' | 'buffer') => {
    const engine = openEngine({ device });
    const g = new Graph();
    const held = engine.buffer('i32', 3, { name: 'held' });
    const index = source === 'feed' ? g.feed('index', 'i32', [3]) : g.buffer(held, [3]);
    const y = gatherRows(g, { x: g.feed('x', 'f32', [4, 1]), index });
    const program = compile(engine, g, { fetches: { y } });
    return async (...ids: number[]) => {
      const x = Float32Array.of(10, 11, 12, 13);
      if (source === 'buffer') await engine.write(held, Int32Array.from(ids));
      return [...(await program.run({ feeds: source === 'feed' ? { x, index: Int32Array.from(ids) } : { x } })).y];
    };
  };

  test.each([['cpu', 'feed'], ['cpu', 'buffer'], ['reference', 'feed'], ['reference', 'buffer']] as const)('on %s in a %s are checked before the run', async (device, source) => {
    const rows = gather(device, source);
    expect(await rows(3, -1, 0)).toEqual([13, 0, 10]);
    for (const wrong of [4, -2, 2 ** 31 - 1, -(2 ** 31)]) {
      const error = await failure(() => rows(0, wrong, 0));
      expect(error.code).toBe('FEED_RANGE');
      expect(error.message).toContain(`element 1 is ${wrong}, outside [-1, 4)`);
      expect(error.message).toContain(source === 'feed' ? 'feed index' : 'buffer held');
    }
    expect(await rows(2, 1, 0)).toEqual([12, 11, 10]);
  });

  test.each([[[1, 2, 4]], [[0, 5, 4]], [[0, 2, 3]], [[0, -1, 4]]])('offsets %j do not cut four rows', async (offsets) => {
    const engine = openEngine();
    const g = new Graph();
    const q = g.feed('q', 'f32', [4, 2]);
    const cut = g.feed('offsets', 'i32', [3]);
    const program = compile(engine, g, { fetches: prefixAttention(g, { q, k: q, v: q, qOffsets: cut, kOffsets: cut, heads: 1 }) });
    expect((await failure(() => program.run({ feeds: { q: ramp(8), offsets: Int32Array.from(offsets) } }))).code).toBe('FEED_RANGE');
    expect((await program.run({ feeds: { q: ramp(8), offsets: Int32Array.of(0, 2, 4) } })).o).toHaveLength(8);
  });

  test('offsets in a buffer are checked whoever wrote it', async () => {
    const engine = openEngine();
    const held = engine.buffer('i32', 2, { name: 'held' });
    const g = new Graph();
    const x = g.feed('x', 'f32', [2, 2]);
    const w = g.buffer(engine.buffer('f32', 4), [2, 2]);
    const [y] = loraLinear(g, { x, weights: [{ w }], offsets: g.buffer(held, [2]) });
    const program = compile(engine, g, { fetches: { y } });
    const other = new Graph();
    zero(other, { buffer: other.buffer(held, [2]) });
    const clear = compile(engine, other, { fetches: {} });
    const run = () => program.run({ feeds: { x: ramp(4) } });
    await engine.write(held, Int32Array.of(0, 2));
    expect((await run()).y).toEqual(new Float32Array(4));
    await clear.run();
    expect(await failure(run)).toMatchObject({ code: 'FEED_RANGE', field: 'buffer held' });
    await engine.write(held, Int32Array.of(0, 2));
    expect((await run()).y).toEqual(new Float32Array(4));
    zero(g, { buffer: g.buffer(held, [2]) });
    const error = await failure(() => compile(engine, g, { fetches: { y } }));
    expect(error.code).toBe('GRAPH_INVALID');
    expect(error.message).toContain('writes itself');
  });

  test('that the device computes are clamped and reported', async () => {
    const engine = openEngine();
    const g = new Graph();
    const { id } = topK(g, { x: g.feed('x', 'f32', [1, 9]), k: 2 });
    const y = gatherRows(g, { x: g.feed('rows', 'f32', [4, 1]), index: reshape(g, { x: id, shape: [2] }) });
    const program = compile(engine, g, { fetches: { y } });
    const largest = (...at: number[]) => program.run({ feeds: { x: Float32Array.from({ length: 9 }, (_, i) => (at.includes(i) ? 10 - i : 0)), rows: Float32Array.of(10, 11, 12, 13) } });
    expect((await failure(() => largest(2, 8))).code).toBe('FEED_RANGE');
    expect([...(await largest(2, 3)).y]).toEqual([12, 13]);
  });
});

describe('repetition', () => {
  test('replays the program on its own state', async () => {
    const engine = openEngine();
    const total = engine.buffer('f32', 2);
    const g = new Graph();
    const held = g.buffer(total, [2]);
    accumulate(g, { buffer: held, x: g.feed('x', 'f32', [2]) });
    const program = compile(engine, g, { fetches: { held } });
    const { held: seen, steps } = await program.run({ feeds: { x: Float32Array.of(1, 10) }, repeat: 3 });
    expect(steps).toBe(3);
    expect([...seen]).toEqual([1, 10, 2, 20, 3, 30]);
    for (const repeat of [0, -1, 1.5, 2 ** 21]) expect((await failure(() => program.run({ feeds: { x: new Float32Array(2) }, repeat }))).code).toBe('ARGUMENT_RANGE');
  });

  test('ends after the step in which the stop value is set', async () => {
    const engine = openEngine();
    const g = new Graph();
    const state = Object.fromEntries(['token', 'length', 'done', 'history'].map((name) => [name, engine.buffer('i32', name === 'history' ? 8 : 1)]));
    await engine.write(state.length, Int32Array.of(1));
    const { next, stop } = sample(g, {
      x: g.feed('x', 'f32', [1, 5]), token: g.buffer(state.token, [1]), length: g.buffer(state.length, [1]), done: g.buffer(state.done, [1]), history: g.buffer(state.history, [1, 8]),
      params: g.feed('params', 'f32', [1, 4]), seed: g.feed('seed', 'i32', [1, 2]), eos: g.feed('eos', 'i32', [1]), pad: 0,
    });
    const program = compile(engine, g, { fetches: { next }, stop });
    const feeds = { x: Float32Array.of(0, 1, 5, 2, 3), params: Float32Array.of(0, 0, 1, 4), seed: new Int32Array(2), eos: Int32Array.of(4) };
    const out = await program.run({ feeds, repeat: 10 });
    expect(out.steps).toBe(3); // its limit on length is 4
    expect([...out.next]).toEqual([2, 2, 2]);
    expect([...(await engine.read(state.history))]).toEqual([0, 2, 2, 2, 0, 0, 0, 0]);
  });
});

describe('abortion', () => {
  test('before the call', async () => {
    const program = doubling(openEngine());
    const inputs = { symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } };
    const reason = new Error('enough');
    expect(await failure(() => program.run({ ...inputs, signal: AbortSignal.abort(reason) }))).toMatchObject({ code: 'ABORTED', field: 'signal' });
    expect([...(await program.run({ ...inputs, signal: new AbortController().signal })).y]).toEqual([2, 4, 6]);
  });

  test.each(['cpu', 'reference'] as const)('while it waits and while it runs on %s', async (device) => {
    const engine = openEngine({ device });
    const { program, options } = endless(engine);
    const small = doubling(engine);
    const inputs = { symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } };
    const [running, waiting] = [new AbortController(), new AbortController()];
    const before = small.run(inputs);
    const first = failure(() => program.run({ ...options, signal: running.signal }));
    const second = failure(() => program.run({ ...options, signal: waiting.signal }));
    const after = small.run(inputs);
    await before; // the engine's thread has come to the first endless run
    waiting.abort();
    running.abort();
    expect((await first).code).toBe('ABORTED');
    expect((await second).code).toBe('ABORTED');
    expect([...(await after).y]).toEqual([2, 4, 6]);
    expect((await program.run({ ...options, repeat: 1 })).steps).toBe(1);
  });

  test('after the call changes nothing', async () => {
    const program = doubling(openEngine());
    const controller = new AbortController();
    const { y } = await program.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) }, signal: controller.signal });
    controller.abort();
    expect([...y]).toEqual([2, 4, 6]);
  });
});

describe('threads', () => {
  test('results are the same bits with one and with two', async () => {
    const engine = openEngine();
    const g = new Graph();
    const [T, R] = [g.symbol('T', 200), g.symbol('R', 4)];
    const buffer = async (...shape: number[]) => {
      const b = engine.buffer('f32', shape.reduce((n, d) => n * d, 1));
      await engine.write(b, ramp(b.elements));
      return g.buffer(b, shape);
    };
    const table = await buffer(300, 96);
    const ids = g.feed('ids', 'i32', [T]);
    const x = embedding(g, { table, ids });
    const { y } = rmsNorm(g, { x, gain: await buffer(96), eps: 1e-6 });
    const [q, k, v] = await Promise.all([0, 1, 2].map(async () => linear(g, { x: y, w: await buffer(96, 96) })));
    const offsets = g.feed('offsets', 'i32', [R.plus(1)]);
    const { o, lse } = prefixAttention(g, { q, k, v, qOffsets: offsets, kOffsets: offsets, bias: await buffer(8, 4), heads: 4, causal: true });
    const { logp } = crossEntropy(g, { x: o, w: table, labels: ids });
    const program: Program<'o' | 'lse' | 'logp' | 'loss'> = compile(engine, g, { fetches: { o, lse, logp, loss: sum(g, { x: logp }) } });
    const inputs = { symbols: { T: 190, R: 3 }, feeds: { ids: Int32Array.from({ length: 190 }, (_, i) => (i * 37) % 300), offsets: Int32Array.of(0, 70, 71, 190) } };
    const { threads } = cpuSettings();
    try {
      cpuSettings({ threads: 1 });
      const one = await program.run(inputs);
      expect(one.loss[0]).toBeLessThan(0);
      cpuSettings({ threads: 2 });
      expect(cpuSettings().threads).toBe(2);
      for (let i = 0; i < 3; ++i) expect(await program.run(inputs)).toEqual(one);
    } finally {
      cpuSettings({ threads });
    }
  });

  test('an instruction set that is not there', async () => {
    expect(cpuSettings().available).toContain(cpuSettings().isa);
    expect(await failure(() => cpuSettings({ isa: 'z80' }))).toMatchObject({ code: 'ARGUMENT_INVALID', field: 'isa' });
  });
});
