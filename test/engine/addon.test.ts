// What the loader of the addon says where there is none to load: the system, every place that was tried, and what to do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadAddon } from '../../lib/engine/addon.ts';
import type { HypertuneError } from '../../lib/engine/errors.ts';

let root: string;
beforeEach(() => void (root = mkdtempSync(path.join(os.tmpdir(), 'addon-'))));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

function failure(): HypertuneError {
  try {
    loadAddon(root);
  } catch (error) {
    return error as HypertuneError;
  }
  throw new Error('it loaded');
}

/** Until the end of the test, the process has this property. */
const pretend = (name: 'platform' | 'arch', value: string) => vi.stubGlobal('process', Object.create(process, { [name]: { value } }));

test('another operating system', () => {
  pretend('platform', 'darwin');
  expect(failure()).toMatchObject({ code: 'PLATFORM_UNSUPPORTED', field: 'process.platform', message: expect.stringContaining('Linux only; this is darwin-'), remedy: expect.stringContaining('Linux') });
});

test('a processor without a prebuilt addon', () => {
  pretend('arch', 'riscv64');
  const error = failure();
  expect(error).toMatchObject({ code: 'PLATFORM_UNSUPPORTED', field: 'process.arch', message: expect.stringContaining('this is linux-riscv64'), remedy: expect.stringContaining('npm run build:native') });
  for (const place of ['build/Release', 'build/Debug', 'prebuilds/linux-riscv64']) expect(error.message).toContain(`${path.join(root, place)}: no addon`);
});

test('a C library without a prebuilt addon', () => {
  const { header, ...rest } = process.report.getReport() as { header: object };
  vi.spyOn(process.report, 'getReport').mockReturnValue({ ...rest, header: { ...header, glibcVersionRuntime: undefined } });
  expect(failure()).toMatchObject({ code: 'PLATFORM_UNSUPPORTED', field: 'libc', message: expect.stringContaining('another C library') });
});

test('no addon', () => {
  expect(failure()).toMatchObject({ code: 'ADDON_LOAD', field: 'hypertune.node', message: expect.stringMatching(/build\/Release: no addon; .*prebuilds\/linux-\w+: no addon/), remedy: expect.stringContaining('CMake') });
});

test.each(['build/Release', `prebuilds/linux-${process.arch}`])('an addon in %s that does not load', (place) => {
  const file = path.join(root, place, 'hypertune.node');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, 'not a library'.repeat(100));
  const error = failure();
  expect(error).toMatchObject({ code: 'ADDON_LOAD', message: expect.stringContaining(`${file}: `) });
  expect(error.message).toContain('invalid ELF header');
  expect(error.cause).toBeInstanceOf(Error);
});
