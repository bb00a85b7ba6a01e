// The CUDA device as an engine sees it, on the emulated device: bindings, graphs, repetition, memory, errors, several engines. Results
// are those of the CPU.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DeviceName, Engine } from '../../lib/engine/engine.ts';
import { native } from '../../lib/engine/native.ts';
import { Graph, accumulate, add, assign, cast, compile, gatherRows, reshape, sample, scale, sum, topK } from '../../lib/graph/index.ts';
import { EMULATED } from './cuda-support.ts';
import { doubling, failure, openEngine } from './support.ts';

const DEVICES = ['cuda', 'cpu'] as const;
const MIB = 1 << 20;

beforeAll(() => {
  Object.assign(process.env, { HYPERTUNE_CUDA_LIBRARY: EMULATED, HT_EMULATED_MEMORY: String(256 * MIB) });
});

describe.skipIf(!existsSync(EMULATED))('the CUDA device', () => {
  test('says what it is, and is probed once', () => {
    const engine = openEngine({ device: 'cuda' });
    expect(engine.device).toBe('cuda-emulated');
    expect(engine.info()).toMatchObject({ device: 'cuda-emulated', threads: 0, note: undefined });
    expect(engine.info().memoryBytes).toBeGreaterThan(MIB);
    expect(engine.usage()).toBe(0);
    expect(native().cudaProbed(EMULATED)).toBe('{}');
    expect(openEngine({}).device).toBe('cuda-emulated');
  });

  test('refuses int8 weights with what to do instead', () => {
    const engine = openEngine({ device: 'cuda' });
    expect(() => engine.buffer('i8', 4)).toThrow(expect.objectContaining({ code: 'CONFIG_UNSUPPORTED', field: 'dtype', remedy: expect.stringContaining("'cpu'") }));
  });

  test('keeps what is written in buffers of every type', async () => {
    const engine = openEngine({ device: 'cuda' });
    const [f32, bf16, i32] = (['f32', 'bf16', 'i32'] as const).map((dtype) => engine.buffer(dtype, 4));
    for (const buffer of [f32, bf16, i32]) expect([...(await engine.read(buffer))]).toEqual([0, 0, 0, 0]);
    await engine.write(f32, Float32Array.of(1, 2, 3, 4));
    await engine.write(bf16, Float32Array.of(1 / 3, -0, Infinity, 1.00390625));
    await engine.write(i32, Int32Array.of(7, -8), 1);
    expect(await engine.read(f32, 1, 2)).toEqual(Float32Array.of(2, 3));
    expect(await engine.read(bf16)).toEqual(Float32Array.of(0.333984375, -0, Infinity, 1));
    expect(await engine.read(i32)).toEqual(Int32Array.of(0, 7, -8, 0));
    expect(await engine.read(i32, 4)).toEqual(new Int32Array(0));
  });

  test('copies more than fits its pinned memory, both ways and in any number of pieces', async () => {
    const engine = openEngine({ device: 'cuda' });
    const large = engine.buffer('f32', 5 * MIB + 3); // over 20 MiB
    const content = Float32Array.from({ length: large.elements }, (_, i) => i % 65_537);
    await engine.write(large, content);
    expect(Buffer.compare(Buffer.from((await engine.read(large)).buffer), Buffer.from(content.buffer))).toBe(0);
    const small = Array.from({ length: 300 }, (_, i) => engine.buffer('i32', 1 + (i % 7)));
    await Promise.all(small.map((buffer, i) => engine.write(buffer, new Int32Array(buffer.elements).fill(i))));
    const read = await Promise.all(small.map((buffer) => engine.read(buffer)));
    read.forEach((values, i) => expect(values).toEqual(new Int32Array(small[i].elements).fill(i)));
  });

  test('runs eagerly, captured and replayed with the same result, at any size', async () => {
    const program = doubling(openEngine({ device: 'cuda' }));
    for (let round = 0; round < 4; ++round)
      for (const T of [0, 1, 7, 100]) {
        const x = Float32Array.from({ length: 3 * T }, (_, i) => i + round);
        expect((await program.run({ symbols: { T }, feeds: { x } })).y).toEqual(x.map((v) => 2 * v));
      }
  });

  test('drops graphs that were not used for long, and captures them again', async () => {
    const engine = openEngine({ device: 'cuda' });
    const programs = Array.from({ length: 12 }, () => doubling(engine)); // with 12 sizes each, more than the 128 that are kept
    for (let round = 0; round < 3; ++round)
      for (const [i, program] of programs.entries())
        for (let T = 1; T <= 12; ++T) expect((await program.run({ symbols: { T }, feeds: { x: new Float32Array(3 * T).fill(i + round) } })).y).toEqual(new Float32Array(3 * T).fill(2 * (i + round)));
    for (const program of programs.slice(6)) program.dispose();
    const [first] = programs;
    expect([...(await first.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } })).y]).toEqual([2, 4, 6]);
  });

  test('sees an arena that has grown since a graph was captured', async () => {
    const engine = openEngine({ device: 'cuda' });
    const [small, large] = [doubling(engine, 10), doubling(engine, 10_000)];
    const run = async (program: typeof small, T: number) => expect((await program.run({ symbols: { T }, feeds: { x: new Float32Array(3 * T).fill(T) } })).y).toEqual(new Float32Array(3 * T).fill(2 * T));
    for (let i = 0; i < 3; ++i) await run(small, 10);
    await run(large, 10_000);
    for (let i = 0; i < 3; ++i) await run(small, 10);
  });
});

describe.skipIf(!existsSync(EMULATED))('repetition', () => {
  test.each(DEVICES)('on %s replays the program on its own state and returns every step', async (device) => {
    const engine = openEngine({ device });
    const total = engine.buffer('f32', 2);
    const g = new Graph();
    const held = g.buffer(total, [2]);
    accumulate(g, { buffer: held, x: g.feed('x', 'f32', [2]) });
    const rounded = cast(g, { x: held, dtype: 'bf16' });
    const program = compile(engine, g, { fetches: { held, rounded } });
    for (const [begin, repeat] of [[0, 1], [1, 2], [3, 3], [6, 40]]) {
      const out = await program.run({ feeds: { x: Float32Array.of(1, 10) }, repeat });
      expect(out.steps).toBe(repeat);
      expect([...out.held]).toEqual(Array.from({ length: repeat }, (_, i) => [begin + i + 1, 10 * (begin + i + 1)]).flat());
      expect(out.rounded).toEqual(out.held.map((x) => (x > 256 ? 2 * Math.round(x / 2) : x)));
    }
  });

  test.each([1_003, 100_003, 700_001])('brings back every step where the pinned memory goes round: %i elements', async (n) => {
    const engine = openEngine({ device: 'cuda' });
    const g = new Graph();
    const held = g.buffer(engine.buffer('f32', n), [n]);
    accumulate(g, { buffer: held, x: g.feed('x', 'f32', [n]) });
    const program = compile(engine, g, { fetches: { held, first: scale(g, { x: held, alpha: 2 }) } });
    const x = Float32Array.from({ length: n }, (_, i) => i % 1000);
    const { held: seen, first } = await program.run({ feeds: { x }, repeat: 9 });
    for (let step = 0; step < 9; ++step) {
      const want = x.map((v) => v * (step + 1));
      expect(Buffer.compare(Buffer.from(seen.buffer, step * n * 4, n * 4), Buffer.from(want.buffer))).toBe(0);
      expect(Buffer.compare(Buffer.from(first.buffer, step * n * 4, n * 4), Buffer.from(want.map((v) => 2 * v).buffer))).toBe(0);
    }
  });

  // Rows of sample() with limits of their own: the run ends after the step in which the last one is done.
  test.each(DEVICES.flatMap((device) => [1, 2, 3, 5, 7].map((limit) => [device, limit] as const)))('on %s ends after the step that sets the stop value: limit %i', async (device, limit) => {
    const engine = openEngine({ device });
    const g = new Graph();
    const state = { token: engine.buffer('i32', 2), length: engine.buffer('i32', 2), done: engine.buffer('i32', 2), history: engine.buffer('i32', 16) };
    await engine.write(state.length, Int32Array.of(1, 1));
    const { next, stop } = sample(g, {
      x: g.feed('x', 'f32', [2, 5]), token: g.buffer(state.token, [2]), length: g.buffer(state.length, [2]), done: g.buffer(state.done, [2]), history: g.buffer(state.history, [2, 8]),
      params: g.feed('params', 'f32', [2, 4]), seed: g.feed('seed', 'i32', [2, 2]), eos: g.feed('eos', 'i32', [1]), pad: 0,
    });
    const program = compile(engine, g, { fetches: { next, stop }, stop });
    const feeds = { x: Float32Array.of(0, 1, 5, 2, 3, 9, 1, 5, 2, 3), params: Float32Array.of(0, 0, 1, limit, 0, 0, 1, 2), seed: new Int32Array(4), eos: Int32Array.of(4) };
    const out = await program.run({ feeds, repeat: 5 });
    const steps = Math.min(Math.max(limit - 1, 1), 5);
    expect(out.steps).toBe(steps);
    expect([...out.stop]).toEqual(Array.from({ length: steps }, (_, i) => (limit - 1 <= i + 1 ? 1 : 0)));
    expect(out.next).toHaveLength(2 * steps);
    expect([...(await engine.read(state.length))]).toEqual([limit === 1 ? 1 : steps + 1, 2]);
    expect([...(await engine.read(state.done))]).toEqual([limit - 1 <= 5 ? 1 : 0, 1]);
    expect([...(await engine.read(state.history))].filter((id) => id === 2)).toHaveLength(limit === 1 ? 0 : steps);
  });

  test('is aborted between steps, and the device goes on', async () => {
    const engine = openEngine({ device: 'cuda' });
    const { program, options } = longRun(engine);
    const controller = new AbortController();
    const small = doubling(engine);
    const inputs = { symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } };
    const before = small.run(inputs);
    const aborted = failure(() => program.run({ ...options, signal: controller.signal }));
    await before;
    controller.abort();
    expect((await aborted).code).toBe('ABORTED');
    expect([...(await small.run(inputs)).y]).toEqual([2, 4, 6]);
    expect((await program.run({ ...options, repeat: 2 })).steps).toBe(2);
  });
});

/** Repeated often enough, it outlives every test. */
function longRun(engine: Engine) {
  const g = new Graph();
  const x = g.feed('x', 'f32', [64]);
  let y = x;
  for (let i = 0; i < 10; ++i) y = add(g, { a: scale(g, { x: y, alpha: 0.5 }), b: x });
  return { program: compile(engine, g, { fetches: { total: sum(g, { x: y }) } }), options: { feeds: { x: new Float32Array(64).fill(0.01) }, repeat: 1 << 20 } };
}

describe.skipIf(!existsSync(EMULATED))('errors', () => {
  test('an index that the device computes is clamped and reported, only for the run that met it', async () => {
    const engine = openEngine({ device: 'cuda' });
    const other = doubling(openEngine({ device: 'cuda' }));
    const g = new Graph();
    const { id } = topK(g, { x: g.feed('x', 'f32', [1, 9]), k: 2 });
    const y = gatherRows(g, { x: g.feed('rows', 'f32', [4, 1]), index: reshape(g, { x: id, shape: [2] }) });
    const program = compile(engine, g, { fetches: { y } });
    const largest = (...at: number[]) => program.run({ feeds: { x: Float32Array.from({ length: 9 }, (_, i) => (at.includes(i) ? 10 - i : 0)), rows: Float32Array.of(10, 11, 12, 13) } });
    for (let round = 0; round < 3; ++round) {
      const wrong = failure(() => largest(2, 8));
      const right = other.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } });
      expect((await wrong).code).toBe('FEED_RANGE');
      expect([...(await right).y]).toEqual([2, 4, 6]);
      expect([...(await largest(2, 3)).y]).toEqual([12, 13]);
    }
  });

  test('a limit on memory names both numbers, and so does the device', async () => {
    const engine = openEngine({ device: 'cuda', memoryLimit: 1000 });
    engine.buffer('f32', 200);
    const limited = await failure(() => engine.buffer('f32', 100));
    expect(limited).toMatchObject({ code: 'MEMORY_LIMIT' });
    expect(limited.message).toMatch(/400 bytes on top of 800 in use; the limit is 1000/);
    const whole = openEngine({ device: 'cuda', memoryLimit: 2 ** 45 });
    const full = await failure(() => whole.buffer('f32', 2 ** 40));
    expect(full).toMatchObject({ code: 'MEMORY_LIMIT' });
    expect(full.message).toMatch(/4398046511104 bytes could not be had: \d+ of the device's \d+ bytes are free/);
    const buffer = whole.buffer('f32', 4);
    await whole.write(buffer, Float32Array.of(1, 2, 3, 4));
    expect([...(await whole.read(buffer))]).toEqual([1, 2, 3, 4]);
  });

  test('memory that was freed can be had again', async () => {
    const engine = openEngine({ device: 'cuda' });
    const { memoryBytes } = engine.info();
    const elements = Math.floor(memoryBytes / 16);
    for (let i = 0; i < 8; ++i) {
      const buffer = engine.buffer('f32', elements); // a quarter of the device each
      await engine.write(buffer, Float32Array.of(i), elements - 1);
      expect([...(await engine.read(buffer, elements - 2))]).toEqual([0, i]);
      buffer.dispose();
    }
  });
});

describe.skipIf(!existsSync(EMULATED))('several engines', () => {
  test('work at once and agree with the CPU', async () => {
    const devices: DeviceName[] = ['cuda', 'cpu', 'cuda', 'cuda'];
    const runs = await Promise.all(devices.map(async (device) => {
      const engine = openEngine({ device });
      const total = engine.buffer('f32', 4);
      const g = new Graph();
      const held = g.buffer(total, [4]);
      accumulate(g, { buffer: held, x: g.feed('x', 'f32', [4]) });
      const program = compile(engine, g, { fetches: { held } });
      const seen: number[] = [];
      for (let i = 0; i < 10; ++i) seen.push(...(await program.run({ feeds: { x: Float32Array.of(i, 1, 2, 3) }, repeat: 1 + (i % 4) })).held);
      return seen;
    }));
    for (const seen of runs) expect(seen).toEqual(runs[1]);
  });

  test('in worker threads: one ends in order, one is terminated in the middle of a run', async () => {
    const start = (mode: string) => new Worker(new URL('worker.mjs', import.meta.url), { workerData: mode, env: { ...process.env, TEST_DEVICE: 'cuda' } });
    const ends = start('run');
    const ended = once(ends, 'exit');
    expect(String((await once(ends, 'message'))[0])).toMatch(/^total \d/);
    expect((await ended)[0]).toBe(0);
    const dies = start('wait');
    expect((await once(dies, 'message'))[0]).toBe('running');
    expect(await dies.terminate()).toBe(1);
    const program = doubling(openEngine({ device: 'cuda' }));
    expect([...(await program.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } })).y]).toEqual([2, 4, 6]);
  });

  test('share frozen weights until one of them is written', async () => {
    const engines = [openEngine({ device: 'cuda' }), openEngine({ device: 'cuda' })];
    const g = engines.map(() => new Graph());
    const weights = engines.map((engine) => engine.buffer('f32', 2, { frozen: true }));
    await Promise.all(engines.map((engine, i) => engine.write(weights[i], Float32Array.of(i, 2))));
    const programs = engines.map((engine, i) => {
      const target = engine.buffer('f32', 2);
      assign(g[i], { buffer: g[i].buffer(target, [2]), x: scale(g[i], { x: g[i].buffer(weights[i], [2]), alpha: 3 }) });
      return { program: compile(engine, g[i], { fetches: {} }), target };
    });
    for (const [i, { program, target }] of programs.entries()) {
      await program.run();
      expect([...(await engines[i].read(target))]).toEqual([3 * i, 6]);
    }
  });
});
