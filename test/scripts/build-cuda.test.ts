import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { ROOT, tree } from './support.ts';

interface Kernel {
  name: string;
  arch: string;
  registers: number;
  shared: number;
  stack: number;
  spill: number;
}
const { kernelsOf, printTable } = (await import(path.join(ROOT, 'scripts/build-cuda.mjs'))) as { kernelsOf(lines: string[]): Kernel[]; printTable(files: Record<string, Kernel[]>): string[] };

afterEach(() => vi.restoreAllMocks());

const REPORT = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN2ht4cuda12_GLOBAL__N_14tileILi4EEEvPf' for 'sm_80'
ptxas info    : Function properties for _ZN2ht4cuda12_GLOBAL__N_14tileILi4EEEvPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 4096 bytes smem
ptxas info    : Compile time = 12.3 ms
ptxas info    : Compiling entry function '_ZN2ht4cuda12_GLOBAL__N_14tileILi4EEEvPf' for 'sm_90a'
ptxas info    : Function properties for _ZN2ht4cuda12_GLOBAL__N_14tileILi4EEEvPf
    24 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers`.split('\n');

test('registers, shared memory and spills of each kernel and architecture', () => {
  const name = '_ZN2ht4cuda12_GLOBAL__N_14tileILi4EEEvPf';
  expect(kernelsOf(REPORT)).toEqual([
    { name, arch: 'sm_80', registers: 40, shared: 4096, stack: 0, spill: 0 },
    { name, arch: 'sm_90a', registers: 255, shared: 0, stack: 24, spill: 36 },
  ]);
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  expect(printTable({ 'native/ops/tile_cuda.cu': kernelsOf(REPORT) })).toEqual(['tile<4> (sm_90a, 36 bytes)']);
  expect(log.mock.calls.flat().join('\n')).toMatch(/tile_cuda\.cu\n.*registers.*\nsm_80 +40 +4096 +0 +0 {2}tile<4>\nsm_90a +255/);
});

test.each([
  ['that is too old', "echo 'Cuda compilation tools, release 11.8, V11.8.89'", 'NVCC_TOO_OLD'],
  ['that does not run', 'exit 1', 'NVCC_BROKEN'],
])('an nvcc %s is named', (_, script, code) => {
  const folder = tree({ nvcc: `#!/bin/sh\n${script}\n` });
  chmodSync(path.join(folder, 'nvcc'), 0o755);
  const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'scripts/build-cuda.mjs')], { env: { PATH: `${folder}:/bin:/usr/bin` }, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain(`build-cuda: ${code}: `);
  expect(stderr).toContain(folder);
});
