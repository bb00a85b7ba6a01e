import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DTYPE_BYTES } from '../../lib/files/dtypes.ts';
import type { Dtype } from '../../lib/files/dtypes.ts';
import { openSafetensors } from '../../lib/files/safetensors.ts';
import { float32Tensor, writeSafetensors } from '../../lib/files/safetensors-write.ts';
import type { TensorData } from '../../lib/files/safetensors-write.ts';
import { FIXTURES, failure, temporaryFolder } from './support.ts';

// @ts-expect-error the package has no types
import npmSafetensors from 'safetensors';

/** The formula of fixtures/make_safetensors.py. */
function tensor(i: number, name: string, dtype: Dtype, shape: number[]): TensorData {
  const size = shape.reduce((n, d) => n * d, DTYPE_BYTES[dtype]);
  const byte = dtype === 'BOOL' ? (_: unknown, k: number) => k % 2 : (_: unknown, k: number) => (31 * i + 7 * k) % 256;
  return { name, dtype, shape, data: Uint8Array.from({ length: size }, byte) };
}

const MIXED = (
  [
    ['z.weight', 'F32', [3, 2]],
    ['a.weight', 'BF16', [5]],
    ['half', 'F16', [2, 2]],
    ['ids', 'I64', [3]],
    ['double', 'F64', [1]],
    ['mask', 'BOOL', [7]],
    ['bytes', 'U8', [3]],
    ['small', 'I8', [2]],
    ['short', 'I16', [2]],
    ['int', 'I32', [2]],
    ['scalar', 'F32', []],
    ['empty', 'F32', [0, 4]],
    ['a.bias', 'F32', [2]],
    ['wide \u{1F600}', 'U8', [1]],
    ['wide \uFFFD', 'U8', [1]],
    ['quote " back \\ tab \t bell \x07', 'U8', [2]],
  ] as [string, Dtype, number[]][]
).map(([name, dtype, shape], i) => tensor(i, name, dtype, shape));
const BARE = [tensor(0, 'b', 'F32', [2, 2]), tensor(1, 'a', 'F16', [3])];

describe('against files of the Python library', () => {
  test.each([
    ['mixed', MIXED, { format: 'pt' }],
    ['bare', BARE, {}],
  ] as [string, TensorData[], Record<string, string>][])('%s.safetensors is byte-identical', async (name, tensors, metadata) => {
    const path = join(await temporaryFolder(), 'ours.safetensors');
    await writeSafetensors(path, [...tensors].reverse(), { metadata });
    expect(await readFile(path)).toEqual(await readFile(join(FIXTURES, `${name}.safetensors`)));
  });

  test('is read: every tensor has its dtype, shape and bytes', async () => {
    const file = await openSafetensors(join(FIXTURES, 'mixed.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(file.tensors.size).toBe(MIXED.length);
    for (const { name, dtype, shape, data } of MIXED) {
      expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
      expect(await file.read(name)).toEqual(data);
    }
  });

  test('the npm package reads our file without metadata to the same bytes', async () => {
    const path = join(await temporaryFolder(), 'ours.safetensors');
    await writeSafetensors(path, BARE, { metadata: {} });
    // It parses from offset 0 of the underlying buffer, so it cannot be given a slice of Node's pool.
    const theirs = new npmSafetensors.SafeTensor(Uint8Array.from(await readFile(path)));
    const ours = await openSafetensors(path);
    for (const { name } of BARE) expect(theirs.getTensor(name)).toEqual(await ours.read(name));
  });
});

describe('writeSafetensors', () => {
  test('pads the header with spaces to 8 and writes F32 as it is', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    for (let n = 1; n <= 9; n++) {
      await writeSafetensors(path, [float32Tensor('n'.repeat(n), [2], new Float32Array([1.5, -0]))]);
      const bytes = await readFile(path);
      expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
      const read = await (await openSafetensors(path)).readFloat32('n'.repeat(n));
      expect(Object.is(read[1], -0)).toBe(true);
    }
  });

  test('asks for lazy data one tensor at a time, in file order', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    const asked: string[] = [];
    const lazy = (name: string, value: number): TensorData => ({
      name,
      dtype: 'U8',
      shape: [1],
      data: async () => {
        asked.push(name);
        return new Uint8Array([value]);
      },
    });
    await writeSafetensors(path, [lazy('b', 2), lazy('a', 1)]);
    expect(asked).toEqual(['a', 'b']);
    expect(await (await openSafetensors(path)).read('b')).toEqual(new Uint8Array([2]));
  });

  test('data that does not fit its shape is ARGUMENT_INVALID and leaves the old file', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a.safetensors');
    await writeFile(path, 'old');
    const bad = float32Tensor('w', [3], new Float32Array(2));
    await failure(() => writeSafetensors(path, [bad]), 'ARGUMENT_INVALID', 'w');
    await failure(() => writeSafetensors(path, [{ ...bad, data: async () => new Float32Array(4) }]), 'ARGUMENT_INVALID', 'w');
    await failure(() => writeSafetensors(path, [{ ...bad, shape: [-1] }]), 'ARGUMENT_INVALID', 'w');
    await failure(() => writeSafetensors(path, [{ ...bad, shape: [1.5] }]), 'ARGUMENT_INVALID', 'w');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['a.safetensors']);
  });

  test('a name twice, a reserved name and a lone surrogate are ARGUMENT_INVALID', async () => {
    const path = join(await temporaryFolder(), 'a.safetensors');
    const one = (name: string): TensorData => ({ name, dtype: 'U8', shape: [0], data: new Uint8Array(0) });
    await failure(() => writeSafetensors(path, [one('a'), one('a')]), 'ARGUMENT_INVALID', 'a');
    await failure(() => writeSafetensors(path, [one('__metadata__')]), 'ARGUMENT_INVALID');
    await failure(() => writeSafetensors(path, [one('\ud800')]), 'ARGUMENT_INVALID');
  });
});
