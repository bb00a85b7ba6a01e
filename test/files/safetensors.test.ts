import { execFileSync } from 'node:child_process';
import { appendFile, copyFile, mkdir, rename, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSafetensors } from '../../lib/files/safetensors.ts';
import { float32Tensor, writeSafetensors } from '../../lib/files/safetensors-write.ts';
import { failure, temporaryFolder } from './support.ts';

async function example(): Promise<string> {
  const path = join(await temporaryFolder(), 'a.safetensors');
  await writeSafetensors(path, [
    float32Tensor('w', [2, 2], new Float32Array([1, 2, 3, 4])),
    { name: 'ids', dtype: 'I64', shape: [1], data: new BigInt64Array([7n]) },
    { name: 'h', dtype: 'BF16', shape: [2], data: new Uint16Array([0x3f80, 0xc000]) },
  ]);
  return path;
}

describe('openSafetensors', () => {
  test('locates tensors in the file and reads them', async () => {
    const path = await example();
    const file = await openSafetensors(path);
    const location = file.tensors.get('w')!;
    expect(location).toMatchObject({ path, name: 'w', dtype: 'F32', shape: [2, 2], byteLength: 16 });
    expect(location.byteOffset + location.byteLength).toBeLessThanOrEqual(file.fileSize);
    expect([...(await file.readFloat32('w'))]).toEqual([1, 2, 3, 4]);
    expect([...(await file.readFloat32('h'))]).toEqual([1, -2]);
    expect((await file.read('ids'))[0]).toBe(7);
  });

  test('an unknown tensor is TENSOR_MISSING; one that is no float is TENSOR_DTYPE', async () => {
    const file = await openSafetensors(await example());
    await failure(() => file.read('v'), 'TENSOR_MISSING', 'v');
    await failure(() => file.readFloat32('ids'), 'TENSOR_DTYPE', 'ids');
  });

  test('a missing file, a folder, a named pipe, an empty file and a text file are typed errors', async () => {
    const dir = await temporaryFolder();
    await failure(() => openSafetensors(join(dir, 'none')), 'FILE_NOT_FOUND');
    await mkdir(join(dir, 'folder'));
    await failure(() => openSafetensors(join(dir, 'folder')), 'FILE_FORMAT');
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    await failure(() => openSafetensors(join(dir, 'pipe')), 'FILE_FORMAT');
    await writeFile(join(dir, 'empty'), '');
    await failure(() => openSafetensors(join(dir, 'empty')), 'FILE_TRUNCATED');
    await writeFile(join(dir, 'text'), 'version https://git-lfs.github.com/spec/v1\n');
    await failure(() => openSafetensors(join(dir, 'text')), 'FILE_FORMAT');
  });

  test('every truncation of a file is refused', async () => {
    const path = await example();
    const { fileSize } = await openSafetensors(path);
    for (let size = fileSize - 1; size >= 0; size -= 5) {
      await truncate(path, size);
      await failure(() => openSafetensors(path), 'FILE_TRUNCATED');
    }
  });
});

describe('a file that changes after its header was read', () => {
  test('cut: FILE_TRUNCATED', async () => {
    const path = await example();
    const file = await openSafetensors(path);
    await truncate(path, file.fileSize - 1);
    await failure(() => file.read('w'), 'FILE_TRUNCATED');
  });
  test('replaced by another file of the same size, grown, or touched: FILE_IO', async () => {
    const path = await example();
    const replaced = await openSafetensors(path);
    await copyFile(path, `${path}.2`);
    await rename(`${path}.2`, path);
    await failure(() => replaced.read('w'), 'FILE_IO', path);
    const grown = await openSafetensors(path);
    await appendFile(path, 'x');
    await failure(() => grown.read('w'), 'FILE_IO', path);
    await truncate(path, grown.fileSize);
    const touched = await openSafetensors(path);
    await utimes(path, 1, 1);
    await failure(() => touched.read('w'), 'FILE_IO', path);
  });
});
