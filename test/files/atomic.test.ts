import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, open, readFile, readdir, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { NODE_FS, atomicCopy, atomicWrite, atomicWriteJson } from '../../lib/files/atomic.ts';
import type { AtomicFs, AtomicHandle } from '../../lib/files/atomic.ts';
import { failure, temporaryFolder } from './support.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

/** A file system whose n-th operation fails with `code`; counts the operations. */
function failingFs(n: number, code: string): { fs: AtomicFs; operations: () => number } {
  let count = 0;
  const step = <T>(action: () => Promise<T>): Promise<T> =>
    ++count === n ? Promise.reject(Object.assign(new Error(`${code}: injected`), { code })) : action();
  const wrap = (handle: AtomicHandle): AtomicHandle => ({
    write: (bytes, offset, length) => step(() => handle.write(bytes, offset, length)),
    sync: () => step(() => handle.sync()),
    close: () => handle.close(),
  });
  const fs: AtomicFs = {
    open: (path, flags) => step(async () => wrap(await open(path, flags))),
    rename: (from, to) => step(() => rename(from, to)),
    unlink,
  };
  return { fs, operations: () => count };
}

describe('atomicWrite', () => {
  test('writes text, bytes and chunks, and leaves no temporary file', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    await atomicWrite(path, 'täxt');
    expect(await readFile(path, 'utf8')).toBe('täxt');
    await atomicWrite(path, [new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3])]);
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    await atomicWriteJson(path, { b: [1], a: 'x' });
    expect(await readFile(path, 'utf8')).toBe('{\n  "b": [\n    1\n  ],\n  "a": "x"\n}');
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('goes on after a short write', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    const dribble: AtomicFs = {
      ...NODE_FS,
      open: async (name, flags) => {
        const handle = await open(name, flags);
        return {
          write: (bytes, offset, length) => handle.write(bytes, offset, Math.min(length, 3)),
          sync: () => handle.sync(),
          close: () => handle.close(),
        };
      },
    };
    await atomicWrite(path, '0123456789', dribble);
    expect(await readFile(path, 'utf8')).toBe('0123456789');
  });

  test('whichever operation fails, the file is whole, old before the rename and new after it', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    const probe = failingFs(Infinity, '');
    await atomicWrite(path, ['a', 'b'].map((c) => Buffer.from(c)), probe.fs);
    const operations = probe.operations();
    // open, two writes, sync, rename, open the folder, sync it
    expect(operations).toBe(7);
    for (let n = 1; n <= operations; n++) {
      await writeFile(path, 'old');
      const { fs } = failingFs(n, 'ENOSPC');
      await failure(() => atomicWrite(path, [Buffer.from('ne'), Buffer.from('w')], fs), 'FILE_IO', path);
      expect(await readFile(path, 'utf8')).toBe(n <= 5 ? 'old' : 'new');
      expect(await readdir(dir)).toEqual(['a']);
    }
  });

  test('a disk that is full (a real ENOSPC) costs nothing', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    await writeFile(path, 'old');
    const full: AtomicFs = { ...NODE_FS, open: () => open('/dev/full', 'w') };
    const error = await failure(() => atomicWrite(path, 'new', full), 'FILE_IO', path);
    expect(error.remedy).toContain('space');
    expect(await readFile(path, 'utf8')).toBe('old');
  });

  test.each(['EACCES', 'EROFS'])('a folder that refuses (%s) is FILE_IO with a remedy', async (code) => {
    const dir = await temporaryFolder();
    const error = await failure(() => atomicWrite(join(dir, 'a'), 'x', failingFs(1, code).fs), 'FILE_IO');
    expect(error.remedy).toBeTruthy();
    expect(await readdir(dir)).toEqual([]);
  });

  test('a missing folder, or a file in its place, is FILE_IO', async () => {
    const dir = await temporaryFolder();
    await failure(() => atomicWrite(join(dir, 'no', 'a'), 'x'), 'FILE_IO');
    await writeFile(join(dir, 'file'), '');
    await failure(() => atomicWrite(join(dir, 'file', 'a'), 'x'), 'FILE_IO');
  });

  test('a source that throws half-way passes its own error on and leaves the old file', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    await writeFile(path, 'old');
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ne');
      throw new TypeError('device lost');
    }
    await expect(atomicWrite(path, source())).rejects.toThrow(new TypeError('device lost'));
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('a process killed in the middle of a save leaves the old file', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'a');
    await writeFile(path, 'old');
    const child = spawn(process.execPath, ['--import', 'tsx', join(HERE, 'save-forever.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const [temporary] = (await readdir(dir)).filter((name) => name.endsWith('.tmp'));
    expect((await stat(join(dir, temporary))).size).toBeGreaterThan(1 << 20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await readFile(path, 'utf8')).toBe('old');
    await atomicWrite(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
  });
});

describe('atomicCopy', () => {
  test('replaces a file by a whole copy, or leaves it as it is', async () => {
    const dir = await temporaryFolder();
    const [from, to] = [join(dir, 'from'), join(dir, 'to')];
    await writeFile(to, 'old');
    await failure(() => atomicCopy(from, to), 'FILE_IO', to);
    expect(await readFile(to, 'utf8')).toBe('old');
    await writeFile(from, 'new');
    await chmod(from, 0o444);
    await atomicCopy(from, to);
    expect(await readFile(to, 'utf8')).toBe('new');
    expect((await readdir(dir)).sort()).toEqual(['from', 'to']);
    await failure(() => atomicCopy(from, join(dir, 'no', 'to')), 'FILE_IO');
  });
});
