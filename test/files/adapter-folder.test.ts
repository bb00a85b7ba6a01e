import { open, readFile, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LoraFile } from '../../lib/files/adapter-file.ts';
import type { AtomicFs } from '../../lib/files/atomic.ts';
import { readAdapterFolder, writeHypertuneFolder, writePeftFolder } from '../../lib/files/peft.ts';
import { changeJson, alteredPeft, baseOf, peftFixture } from './peft-support.ts';
import { failure, temporaryFolder } from './support.ts';

const base = await baseOf('lora');
const CONFIG = 'adapter_config.json';
const TENSORS = 'adapter_model.safetensors';

/** Two modules of the fixture with every value and alpha replaced, so that half of a save is told from a whole one. */
async function version(value: number): Promise<LoraFile> {
  const { modules } = (await readAdapterFolder(peftFixture('lora'), base)) as LoraFile;
  const changed = modules.slice(0, 2).map((m) => ({
    ...m,
    alpha: value,
    scale: value / m.rank,
    a: m.a.map(() => value),
    b: m.b.map(() => value),
  }));
  return { kind: 'lora', modules: changed, config: {} };
}

/** Which version a folder holds: the configuration's and the tensors' must be the same. */
async function versionOf(dir: string): Promise<number> {
  const { modules } = (await readAdapterFolder(dir, base)) as LoraFile;
  const values = new Set(modules.flatMap((m) => [m.alpha, ...m.a, ...m.b]));
  expect(values.size, 'configuration and tensors belong together').toBe(1);
  return [...values][0];
}

/** A machine that stops before its n-th file operation: nothing after it happens, not even cleaning up. Syncs are only counted. */
function stopping(n: number): { fs: AtomicFs; operations: () => number } {
  let count = 0;
  const step = <T>(action: () => Promise<T>): Promise<T> =>
    ++count >= n ? Promise.reject(Object.assign(new Error('power lost'), { code: 'EIO' })) : action();
  const fs: AtomicFs = {
    open: (path, flags) =>
      step(async () => {
        const handle = await open(path, flags);
        return {
          write: (bytes, offset, length) => step(() => handle.write(bytes, offset, length)),
          sync: () => step(async () => undefined),
          close: () => handle.close(),
        };
      }),
    rename: (from, to) => step(() => rename(from, to)),
    unlink: (path) => step(() => unlink(path)),
  };
  return { fs, operations: () => count };
}

describe('saving over an adapter', () => {
  test('a crash at any operation leaves the old adapter or the new one, and the next save works', async () => {
    const dir = await temporaryFolder();
    const [one, two, three] = [await version(1), await version(2), await version(3)];
    const { fs } = stopping(Infinity);
    const probe = stopping(Infinity);
    await writePeftFolder(dir, one, { base, fs: probe.fs });
    const operations = probe.operations();
    // Two files with their chunks, three renames that matter and three syncs of the folder.
    expect(operations).toBeGreaterThan(15);

    const seen: number[] = [];
    for (let n = 1; n <= operations; n++) {
      await rm(dir, { recursive: true });
      await writePeftFolder(dir, one, { base, fs });
      await failure(() => writePeftFolder(dir, two, { base, fs: stopping(n).fs }), 'FILE_IO');
      seen.push(await versionOf(dir));
      await writePeftFolder(dir, three, { base, fs });
      expect(await versionOf(dir)).toBe(3);
      expect((await readdir(dir)).filter((name) => name.endsWith('.pending'))).toEqual([]);
    }
    // Old until the configuration is renamed; then a rename, the opening of the folder and its sync are left.
    expect(seen).toEqual(seen.map((_, i) => (i < operations - 3 ? 1 : 2)));
  });

  test('the state between the two renames is a crash that a reader must notice', async () => {
    const dir = await temporaryFolder();
    await writePeftFolder(dir, await version(1), { base });
    const old = await readFile(join(dir, TENSORS));
    await writePeftFolder(dir, await version(2), { base });
    await rename(join(dir, TENSORS), join(dir, `${TENSORS}.pending`));
    await writeFile(join(dir, TENSORS), old);
    expect(await versionOf(dir)).toBe(2);
    // With its configuration still pending too, the same file is an unfinished save.
    await writeFile(join(dir, `${CONFIG}.pending`), '{}');
    await expect(versionOf(dir)).rejects.toThrow('belong together');
  });

  test('a crash after such a crash loses nothing either', async () => {
    const dir = await temporaryFolder();
    const [one, two, three] = [await version(1), await version(2), await version(3)];
    const { fs } = stopping(Infinity);
    const probe = stopping(Infinity);
    await writePeftFolder(dir, one, { base, fs: probe.fs });
    const old = await readFile(join(dir, TENSORS));
    for (let n = 1; n <= probe.operations() + 1; n++) {
      await writePeftFolder(dir, two, { base, fs });
      await rename(join(dir, TENSORS), join(dir, `${TENSORS}.pending`));
      await writeFile(join(dir, TENSORS), old);
      await failure(() => writePeftFolder(dir, three, { base, fs: stopping(n).fs }), 'FILE_IO');
      expect([2, 3]).toContain(await versionOf(dir));
    }
  });

  test('a folder that holds the other format is left alone; both at once are FILE_FORMAT', async () => {
    const dir = await temporaryFolder();
    const adapter = await version(1);
    await writePeftFolder(dir, adapter, { base });
    await failure(() => writeHypertuneFolder(dir, adapter, { base }), 'ARGUMENT_INVALID', dir);
    expect((await readdir(dir)).sort()).toEqual([CONFIG, TENSORS]);
    await writeFile(join(dir, 'hypertune_config.json'), '{}');
    await failure(() => readAdapterFolder(dir, base), 'FILE_FORMAT', dir);
  });

  test('a path that cannot be a folder is FILE_IO', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'file'), '');
    const adapter = await version(1);
    await failure(() => writePeftFolder(join(dir, 'file'), adapter, { base }), 'FILE_IO');
    await failure(() => writePeftFolder(join(dir, 'file', 'x'), adapter, { base }), 'FILE_IO');
  });
});

describe('folders that are no adapter', () => {
  test('missing files, pickled weights, bad JSON and a truncated file are typed errors', async () => {
    const dir = await temporaryFolder();
    await failure(() => readAdapterFolder(dir, base), 'FILE_NOT_FOUND', join(dir, CONFIG));
    await writeFile(join(dir, 'adapter_model.bin'), 'PK');
    await writeFile(join(dir, CONFIG), '{"peft_type":"LORA"}');
    const error = await failure(() => readAdapterFolder(dir, base), 'FILE_UNSUPPORTED', 'adapter_model.bin');
    expect(error.remedy).toContain('save_file');
    await rm(join(dir, 'adapter_model.bin'));
    await failure(() => readAdapterFolder(dir, base), 'FILE_NOT_FOUND', join(dir, TENSORS));

    const bad = await alteredPeft('lora', {});
    const bytes = await readFile(join(bad, TENSORS));
    await writeFile(join(bad, TENSORS), bytes.subarray(0, bytes.byteLength - 1));
    await failure(() => readAdapterFolder(bad, base), 'FILE_TRUNCATED');
    await writeFile(join(bad, TENSORS), bytes);
    for (const text of ['{', '[]', '{"peft_type":"LORA","peft_type":"LORA"}', '\ufeff{}']) {
      await writeFile(join(bad, CONFIG), text);
      await failure(() => readAdapterFolder(bad, base), text === '[]' ? 'CONFIG_INVALID' : 'FILE_FORMAT');
    }
  });
});

describe('a folder saved over while it is read', () => {
  test('is FILE_IO', async () => {
    const { readPair, PEFT_FORMAT } = await import('../../lib/files/adapter-folder.ts');
    const dir = await alteredPeft('lora', {});
    await failure(
      () => readPair(dir, PEFT_FORMAT, () => changeJson(join(dir, CONFIG), { lora_alpha: 99 })),
      'FILE_IO',
      dir,
    );
  });
});
