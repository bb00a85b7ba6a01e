// Weights from files: types, ranges, damage, and one copy in memory for engines that freeze them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeviceBuffer, Engine, FileTensor } from '../../lib/engine/engine.ts';
import { native } from '../../lib/engine/native.ts';
import { Graph, compile, linear } from '../../lib/graph/index.ts';
import { failure, openEngine } from './support.ts';

const VALUES = [0, -1.5, 2 ** -14, 3, 2 ** -24, 65504, -0.25, 1];
// IEEE half precision, written by hand: 2^-14 is its smallest normal, 2^-24 its smallest number, 65504 its largest.
const HALVES = [0x0000, 0xbe00, 0x0400, 0x4200, 0x0001, 0x7bff, 0xb400, 0x3c00];

let dir: string;
let files: Record<'F32' | 'F16' | 'BF16', FileTensor>;

const save = async (name: string, ...parts: Uint8Array[]) => {
  const file = path.join(dir, name);
  await writeFile(file, Buffer.concat(parts));
  return file;
};
const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'engine-load-'));
  const header = new Uint8Array(6); // an odd place in the file
  const upper = new Uint16Array(Float32Array.from(VALUES).buffer).filter((_, i) => i % 2 === 1);
  files = {
    F32: { path: await save('f32', header, f32(...VALUES)), byteOffset: 6, byteLength: 32, dtype: 'F32' },
    F16: { path: await save('f16', header, new Uint8Array(Uint16Array.from(HALVES).buffer)), byteOffset: 6, byteLength: 16, dtype: 'F16' },
    BF16: { path: await save('bf16', header, new Uint8Array(upper.slice().buffer)), byteOffset: 6, byteLength: 16, dtype: 'BF16' },
  };
});
afterAll(() => rm(dir, { recursive: true }));

const toBf16 = (x: number) => {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] = ((bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(bits.buffer)[0];
};

describe('load', () => {
  test.each(['F32', 'F16', 'BF16'] as const)('%s into f32 and bf16', async (dtype) => {
    const exact = dtype === 'BF16' ? VALUES.map((x) => (x === 65504 ? new Float32Array(new Uint32Array(Float32Array.of(x).buffer).map((b) => b & 0xffff0000).buffer)[0] : x)) : VALUES;
    for (const device of ['cpu', 'reference'] as const) {
      const engine = openEngine({ device });
      const [wide, narrow, long] = [engine.buffer('f32', 8), engine.buffer('bf16', 8), engine.buffer('f32', 10)];
      await engine.load(wide, files[dtype]);
      expect([...(await engine.read(wide))]).toEqual(exact);
      await engine.load(narrow, files[dtype]);
      expect([...(await engine.read(narrow))]).toEqual(device === 'cpu' ? exact.map(toBf16) : exact);
      await engine.load(long, files[dtype], 2);
      expect([...(await engine.read(long))]).toEqual([0, 0, ...exact]);
    }
  });

  test.each([
    ['FILE_NOT_FOUND', () => ({ ...files.F32, path: path.join(dir, 'nothing') })],
    ['FILE_TRUNCATED', () => ({ ...files.F32, byteOffset: 10 })],
    ['FILE_TRUNCATED', () => ({ ...files.F32, byteOffset: 2 ** 40 })],
    ['FILE_IO', () => ({ ...files.F32, path: dir })],
    ['TENSOR_SHAPE', () => ({ ...files.F32, byteLength: 31 })],
    ['TENSOR_DTYPE', () => ({ ...files.F32, dtype: 'I8' as 'F32' })],
    ['ARGUMENT_RANGE', () => ({ ...files.F32, byteLength: 36 })],
    ['ARGUMENT_RANGE', () => ({ ...files.F32, byteOffset: -1 })],
  ])('%s leaves the buffer as it was', async (code, from) => {
    const engine = openEngine();
    const buffer = engine.buffer('f32', 8, { name: 'encoder.w' });
    await engine.load(buffer, files.F32);
    const error = await failure(() => engine.load(buffer, from()));
    expect(error.code).toBe(code);
    expect(error.message).toContain('encoder.w');
    expect([...(await engine.read(buffer))]).toEqual(VALUES);
  });

  test.each([NaN, Infinity, -Infinity])('a weight of %d is refused by its place', async (bad) => {
    const engine = openEngine();
    const file = await save('bad', f32(1, 2, bad, 4));
    const error = await failure(() => engine.load(engine.buffer('f32', 4), { path: file, byteOffset: 0, byteLength: 16, dtype: 'F32' }));
    expect(error.code).toBe('TENSOR_NON_FINITE');
    expect(error.message).toContain('element 2');
  });

  test('integers are not loaded', async () => {
    const engine = openEngine();
    expect((await failure(() => engine.load(engine.buffer('i32', 8), files.F32))).code).toBe('TENSOR_DTYPE');
  });

  test('a tensor larger than one read', async () => {
    const engine = openEngine();
    const values = Float32Array.from({ length: 700_001 }, (_, i) => i);
    const file = await save('large', new Uint8Array(3), new Uint8Array(values.buffer));
    const buffer = engine.buffer('f32', values.length);
    await engine.load(buffer, { path: file, byteOffset: 3, byteLength: values.byteLength, dtype: 'F32' });
    expect(Buffer.compare(Buffer.from((await engine.read(buffer)).buffer), Buffer.from(values.buffer))).toBe(0);
  });
});

describe('frozen weights', () => {
  /** y = W [1, 0, ...] reads the first column: [0, 3, ...] for rows of 3. */
  const firstColumn = (engine: Engine, weight: DeviceBuffer) => {
    const g = new Graph();
    const y = linear(g, { x: g.feed('x', 'f32', [1, 4]), w: g.buffer(weight, [2, 4]) });
    const program = compile(engine, g, { fetches: { y } });
    return async () => [...(await program.run({ feeds: { x: Float32Array.of(0, 1, 0, 0) } })).y];
  };

  test('are one copy for all engines, until one of them is written', async () => {
    const engines = [openEngine(), openEngine(), openEngine()];
    const weights = engines.map((engine) => engine.buffer('f32', 8, { frozen: true }));
    const products = engines.map((engine, i) => firstColumn(engine, weights[i]));
    const before = native().held();
    await Promise.all(engines.map((engine, i) => engine.load(weights[i], files.F32)));
    expect(native().held()).toBe(before - 2 * 32);
    for (const product of products) expect(await product()).toEqual([VALUES[1], VALUES[5]]);
    await engines[0].write(weights[0], Float32Array.of(7), 1);
    expect(await products[0]()).toEqual([7, VALUES[5]]);
    expect([...(await engines[0].read(weights[0]))]).toEqual([VALUES[0], 7, ...VALUES.slice(2)]);
    await engines[1].load(weights[1], { path: await save('other', f32(1, 2, 3, 4, 5, 6, 7, 8)), byteOffset: 0, byteLength: 32, dtype: 'F32' });
    expect(await products[1]()).toEqual([2, 6]);
    expect(await products[2]()).toEqual([VALUES[1], VALUES[5]]);
    await engines[2].dispose();
    await engines[0].load(weights[0], files.F32);
    expect(await products[0]()).toEqual([VALUES[1], VALUES[5]]);
  });

  test('follow the file when it changes', async () => {
    const engine = openEngine();
    const weight = engine.buffer('f32', 8, { frozen: true });
    const from = { path: await save('changing', f32(1, 2, 3, 4, 5, 6, 7, 8)), byteOffset: 0, byteLength: 32, dtype: 'F32' } as const;
    await engine.load(weight, from);
    await save('changing', f32(0, ...VALUES), f32(9)); // another size, so another identity whatever the clock's resolution
    await engine.load(weight, { ...from, byteOffset: 4 });
    expect([...(await engine.read(weight))]).toEqual(VALUES);
  });
});

describe('loadInt8', () => {
  // Rows of largest magnitude 127, so of scale 1, with halves, which round to even.
  const ROWS = [0.5, 1.5, 2.5, 127, -126.5, 3, -127, 0];

  test.each(['cpu', 'reference'] as const)('quantises rows on %s', async (device) => {
    const engine = openEngine({ device });
    const file: FileTensor = { path: await save('rows', f32(...ROWS)), byteOffset: 0, byteLength: 32, dtype: 'F32' };
    const [w, scales] = [engine.buffer('i8', 8, { name: 'w' }), engine.buffer('f32', 2)];
    await engine.loadInt8(w, scales, file);
    expect([...(await engine.read(w))]).toEqual([0, 2, 2, 127, -126, 3, -127, 0]);
    expect([...(await engine.read(scales))]).toEqual([1, 1]);
    await engine.loadInt8(w, scales, files.F16);
    const range = await engine.read(scales);
    expect([range[0], range[1]]).toEqual([Math.fround(3 / 127), Math.fround(65504 / 127)]);
    expect([...(await engine.read(w))]).toEqual([0, -64, 0, 127, 0, 127, 0, 0]);
  });

  test('refuses what cannot be: other sizes, other types, a part', async () => {
    const engine = openEngine({ device: 'cpu' });
    const w = engine.buffer('i8', 8, { name: 'w' });
    for (const scales of [engine.buffer('f32', 3), engine.buffer('bf16', 2), engine.buffer('f32', 0)]) {
      await expect(engine.loadInt8(w, scales, files.F32)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'w' });
    }
    await expect(engine.loadInt8(engine.buffer('i8', 16), engine.buffer('f32', 2), files.F32)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(engine.write(w, Float32Array.of(1))).rejects.toMatchObject({ code: 'FEED_INVALID' });
  });

  test('frozen weights of one file are in memory once', async () => {
    const [a, b] = [openEngine({ device: 'cpu' }), openEngine({ device: 'cpu' })];
    const load = async (engine: Engine, rows: number) => {
      const [w, scales] = [engine.buffer('i8', 8, { frozen: true }), engine.buffer('f32', rows, { frozen: true })];
      await engine.loadInt8(w, scales, files.F32);
      return [[...(await engine.read(w))], [...(await engine.read(scales))]];
    };
    expect(await load(a, 2)).toEqual(await load(b, 2));
    // The same bytes cut into other rows are other weights.
    expect((await load(b, 4))[1]).toHaveLength(4);
    expect((await load(a, 4))[0]).not.toEqual((await load(b, 2))[0]);
  });
});
