// Engines, buffers and handles through the addon: what is refused, with which code, and that nothing is left unusable.
import { describe, expect, test } from 'vitest';
import { Engine, type DType, type DeviceName, type HostArray } from '../../lib/engine/engine.ts';
import { Graph, accumulate, compile, expand, fill, reshape, scale, sum } from '../../lib/graph/index.ts';
import { doubling, failure, openEngine } from './support.ts';

const MIB = 1 << 20;

describe('devices', () => {
  test.each(['cpu', 'reference'] as const)('%s opens and says what it is', (device) => {
    const engine = openEngine({ device });
    expect(engine.device).toBe(device);
    expect(engine.info().memoryBytes).toBeGreaterThan(MIB);
    expect(engine.info().threads).toBeGreaterThanOrEqual(1);
    expect(engine.usage()).toBe(0);
  });

  test('a device that is none', async () => {
    expect(await failure(() => Engine.open({ device: 'tpu' as DeviceName }))).toMatchObject({ code: 'ARGUMENT_INVALID', field: 'device' });
  });

  test.each([-1, 1.5, NaN, Infinity])('a memory limit of %d', async (memoryLimit) => {
    expect(await failure(() => Engine.open({ memoryLimit }))).toMatchObject({ code: 'ARGUMENT_RANGE', field: 'memoryLimit' });
  });
});

describe('buffers', () => {
  test('begin as zeros and keep what is written, in their own type', async () => {
    const engine = openEngine();
    const [f32, bf16, i32] = (['f32', 'bf16', 'i32'] as const).map((dtype) => engine.buffer(dtype, 4));
    expect(await engine.read(f32)).toEqual(new Float32Array(4));
    await engine.write(f32, Float32Array.of(1, 2, 3, 4));
    await engine.write(bf16, Float32Array.of(1 / 3, -0, Infinity, 1.00390625));
    await engine.write(i32, Int32Array.of(7, -8), 1);
    expect(await engine.read(f32, 1, 2)).toEqual(Float32Array.of(2, 3));
    expect(await engine.read(bf16)).toEqual(Float32Array.of(0.333984375, -0, Infinity, 1)); // halves round to even
    expect(await engine.read(i32)).toEqual(Int32Array.of(0, 7, -8, 0));
    expect(await engine.read(i32, 4)).toEqual(new Int32Array(0));
  });

  test('hold doubles on the reference device', async () => {
    const engine = openEngine({ device: 'reference' });
    const buffer = engine.buffer('f32', 2);
    await engine.write(buffer, Float64Array.of(Math.PI, 1e300));
    expect(await engine.read(buffer)).toEqual(Float64Array.of(Math.PI, 1e300));
  });

  test.each([
    ['float into integers', 'i32', new Float32Array(1), 0, 'FEED_INVALID'],
    ['integers into floats', 'f32', new Int32Array(1), 0, 'FEED_INVALID'],
    ['bytes', 'f32', new Uint8Array(4) as unknown as HostArray, 0, 'FEED_INVALID'],
    ['a plain array', 'f32', [1] as unknown as HostArray, 0, 'FEED_INVALID'],
    ['past the end', 'f32', new Float32Array(3), 2, 'ARGUMENT_RANGE'],
    ['beyond the end', 'f32', new Float32Array(0), 5, 'ARGUMENT_RANGE'],
    ['before the beginning', 'f32', new Float32Array(1), -1, 'ARGUMENT_RANGE'],
    ['at half an element', 'f32', new Float32Array(1), 0.5, 'ARGUMENT_RANGE'],
    ['nowhere', 'f32', new Float32Array(1), NaN, 'ARGUMENT_RANGE'],
  ] as [string, DType, HostArray, number, string][])('refuse a write of %s', async (_, dtype, data, offset, code) => {
    const engine = openEngine();
    const buffer = engine.buffer(dtype, 4, { name: 'w' });
    const error = await failure(() => engine.write(buffer, data, offset));
    expect(error.code).toBe(code);
    expect(error.message).toContain('w: ');
    expect([...(await engine.read(buffer))]).toEqual([0, 0, 0, 0]);
  });

  test('take typed arrays over any kind of memory', async () => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 4);
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([1, 2, 3, 4]);
    await engine.write(buffer, shared.subarray(1, 3), 1);
    expect([...(await engine.read(buffer))]).toEqual([0, 2, 3, 0]);
    const moved = new Float32Array(4);
    structuredClone(moved, { transfer: [moved.buffer] });
    await engine.write(buffer, moved); // no elements are left in it
    expect([...(await engine.read(buffer))]).toEqual([0, 2, 3, 0]);
  });

  test.each([[0, 5], [5, 0], [-1, 1], [0, -1], [0.5, 1]])('refuse to read %d + %d of 4', async (offset, count) => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 4);
    expect(await failure(() => engine.read(buffer, offset, count))).toMatchObject({ code: 'ARGUMENT_RANGE' });
  });

  test.each([-1, 1.5, NaN, 2 ** 60])('refuse %d elements', async (elements) => {
    const engine = openEngine();
    expect(await failure(() => engine.buffer('f32', elements))).toMatchObject({ code: 'ARGUMENT_RANGE' });
  });

  test('refuse a type that is none', async () => {
    const engine = openEngine();
    expect(await failure(() => engine.buffer('f16' as DType, 1))).toMatchObject({ code: 'ARGUMENT_INVALID', field: 'dtype' });
  });
});

describe('memory', () => {
  test('an absurd size is refused with what is needed and what there is', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    engine.buffer('f32', 1000);
    const error = await failure(() => engine.buffer('f32', 2 ** 40));
    expect(error.code).toBe('MEMORY_LIMIT');
    expect(error.message).toContain(`${2 ** 42}`);
    expect(error.message).toContain('4000');
    expect(error.message).toContain(`${MIB}`);
    expect(engine.usage()).toBe(4000);
    const unlimited = openEngine();
    expect(await failure(() => unlimited.buffer('f32', 2 ** 42))).toMatchObject({ code: 'MEMORY_LIMIT' });
  });

  test('a program whose arena does not fit is refused', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    const arena = (elements: number) => {
      const g = new Graph();
      return compile(engine, g, { fetches: { y: fill(g, { value: 1, shape: [elements] }) } });
    };
    expect(arena(MIB / 8).arenaBytes).toBe(MIB / 2);
    const error = await failure(() => arena(MIB));
    expect(error.code).toBe('MEMORY_LIMIT');
    expect(error.message).toContain(`${4 * MIB}`);
    expect(error.message).toContain(`${MIB}`);
    engine.buffer('f32', (3 * MIB) / 16);
    expect((await failure(() => arena(MIB / 8))).code).toBe('MEMORY_LIMIT');
  });

  test('buffers made after a program was compiled count against its arena', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    const g = new Graph();
    const program = compile(engine, g, { fetches: { y: fill(g, { value: 1, shape: [MIB / 8] }) } });
    const buffer = engine.buffer('f32', (3 * MIB) / 16);
    expect((await failure(() => program.run())).code).toBe('MEMORY_LIMIT');
    buffer.dispose();
    expect((await program.run()).y[5]).toBe(1);
  });

  test('what a repeated run returns counts, before it starts', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    const total = engine.buffer('f32', MIB / 64);
    const g = new Graph();
    const held = g.buffer(total, [MIB / 64]);
    accumulate(g, { buffer: held, x: fill(g, { value: 1, shape: [MIB / 64] }) });
    const program = compile(engine, g, { fetches: { held } });
    expect((await program.run({ repeat: 10 })).held.at(-1)).toBe(10);
    const error = await failure(() => program.run({ repeat: 20 }));
    expect(error.code).toBe('MEMORY_LIMIT');
    expect(error.message).toContain(`${program.arenaBytes + (20 * MIB) / 16} bytes`);
    expect(error.message).toContain(`${MIB}`);
    expect((await engine.read(total))[0]).toBe(10);
  });

  test('an empty value does not hide absurd dimensions', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    const g = new Graph();
    const x = g.feed('x', 'f32', [2 ** 30, 0]);
    expect((await failure(() => compile(engine, g, { fetches: { y: scale(g, { x, alpha: 2 }) } }))).code).toBe('MEMORY_LIMIT');
  });

  test('what is freed can be taken again', async () => {
    const engine = openEngine({ device: 'cpu', memoryLimit: MIB });
    const kept = engine.buffer('f32', 10);
    for (let i = 0; i < 20; ++i) {
      const buffer = engine.buffer('f32', MIB / 8);
      expect(engine.usage()).toBe(40 + MIB / 2);
      buffer.dispose();
      await engine.read(kept); // the last reference goes on the engine's thread
      expect(engine.usage()).toBe(40);
    }
  });
});

describe('handles', () => {
  test('after dispose', async () => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 3);
    const program = doubling(engine);
    buffer.dispose();
    buffer.dispose();
    program.dispose();
    program.dispose();
    expect(buffer.disposed).toBe(true);
    for (const call of [() => engine.read(buffer), () => engine.write(buffer, new Float32Array(3)), () => program.run({ symbols: { T: 1 }, feeds: { x: new Float32Array(3) } })])
      expect((await failure(call)).code).toBe('HANDLE_CLOSED');
  });

  test('of another engine', async () => {
    const [a, b] = [openEngine(), openEngine()];
    const buffer = a.buffer('f32', 3);
    expect((await failure(() => b.read(buffer))).code).toBe('HANDLE_KIND');
    const g = new Graph();
    const y = sum(g, { x: g.buffer(buffer, [3]) });
    expect((await failure(() => compile(b, g, { fetches: { y } }))).code).toBe('HANDLE_KIND');
  });

  test('a disposed engine refuses everything, twice over', async () => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 3);
    const program = doubling(engine);
    const first = engine.dispose();
    expect(engine.dispose()).toBe(first);
    expect(engine.disposed && buffer.disposed).toBe(true);
    await first;
    const calls = [
      () => engine.buffer('f32', 1), () => engine.usage(), () => engine.read(buffer), () => engine.write(buffer, new Float32Array(1)), () => doubling(engine),
      () => program.run({ symbols: { T: 1 }, feeds: { x: new Float32Array(3) } }),
    ];
    for (const call of calls) expect((await failure(call)).code).toBe('HANDLE_CLOSED');
    buffer.dispose();
    program.dispose();
    await engine.dispose();
  });

  test('dispose waits for what was asked before', async () => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 3);
    const program = doubling(engine);
    const settled: string[] = [];
    const note = (name: string) => () => void settled.push(name);
    const calls = [
      engine.write(buffer, Float32Array.of(1, 2, 3)).then(note('write')),
      program.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) }, repeat: 50 }).then(note('run')),
      engine.read(buffer).then(note('read')),
      engine.dispose().then(note('dispose')),
    ];
    await Promise.all(calls);
    expect(settled).toEqual(['write', 'run', 'read', 'dispose']);
  });

  test('calls run in the order they were made', async () => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 1);
    const g = new Graph();
    const program = compile(engine, g, { fetches: { y: expand(g, { s: reshape(g, { x: g.buffer(buffer, [1, 1]), shape: [1] }), shape: [2] }) } });
    const seen: number[] = [];
    const calls: Promise<unknown>[] = [];
    for (let i = 1; i <= 20; ++i) {
      calls.push(engine.write(buffer, Float32Array.of(i)));
      calls.push(program.run().then(({ y }) => seen.push(y[1])));
      calls.push(engine.read(buffer).then(([x]) => seen.push(-x)));
    }
    await Promise.all(calls);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, -(i + 1)]).flat());
  });

  test('several engines work at once', async () => {
    const engines = Array.from({ length: 4 }, (_, i) => openEngine({ device: i % 2 ? 'reference' : 'cpu' }));
    const results = await Promise.all(
      engines.map(async (engine, i) => {
        const program = doubling(engine);
        let y: HostArray = Float32Array.of(i, i, i);
        for (let k = 0; k < 10; ++k) ({ y } = await program.run({ symbols: { T: 1 }, feeds: { x: Float32Array.from(y) } }));
        return [...y];
      }),
    );
    expect(results).toEqual([0, 1, 2, 3].map((i) => Array(3).fill(1024 * i)));
  });
});
