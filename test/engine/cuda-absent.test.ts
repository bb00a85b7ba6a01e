// Every way in which there can be no CUDA device: its code and remedy, and that 'auto' works on the CPU and says why. Libraries are
// opened once per process, so each way has a process of its own.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROKEN, EMULATED, OLD_CUBLAS } from './cuda-support.ts';

interface Answer {
  error?: { code: string; field: string; message: string; remedy: string };
  info?: { device: string };
  milliseconds: number;
  auto: { device: string; note?: string; content: number[] };
}

const CHILD = path.join(path.dirname(fileURLToPath(import.meta.url)), 'cuda-child.ts');

function open(environment: Record<string, string>): Promise<Answer> {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD], { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  return new Promise((resolve, reject) => child.on('close', (code) => (code === 0 ? resolve(JSON.parse(out) as Answer) : reject(new Error(`ended with ${code}: ${out}`)))));
}

async function expectAbsent(environment: Record<string, string>, code: string, said: string[]): Promise<Answer> {
  const answer = await open(environment);
  expect(answer.error).toMatchObject({ code, field: 'device' });
  for (const part of said) expect(answer.error!.message).toContain(part);
  expect(answer.error!.remedy).toMatch(/^[A-Z].+\.$/);
  expect(answer.error!.message.endsWith(answer.error!.remedy)).toBe(true);
  expect(answer.auto).toMatchObject({ device: 'cpu', content: [1, 2] });
  expect(answer.auto.note).toContain(said[0]);
  expect(answer.auto.note).not.toContain(answer.error!.remedy);
  return answer;
}

let dir: string;
beforeAll(async () => void (dir = await mkdtemp(path.join(os.tmpdir(), 'cuda-'))));
afterAll(() => rm(dir, { recursive: true }));

describe('the library', () => {
  test('that is not there', () => expectAbsent({ HYPERTUNE_CUDA_LIBRARY: path.join(dir, 'none.so') }, 'CUDA_NOT_BUILT', ['none.so']));

  test('that is no library', () => {
    const file = path.join(dir, 'text.so');
    writeFileSync(file, 'not a library');
    return expectAbsent({ HYPERTUNE_CUDA_LIBRARY: file }, 'CUDA_NOT_BUILT', ['does not load', 'text.so']);
  });

  test('that is another one', async () => {
    const libc = process.report.getReport() as unknown as { sharedObjects: string[] };
    const other = libc.sharedObjects.find((name) => /libstdc\+\+|libm\.so/.test(name))!;
    await expectAbsent({ HYPERTUNE_CUDA_LIBRARY: other }, 'CUDA_LIBRARY_VERSION', ['another version']);
  });
});

describe.skipIf(!existsSync(BROKEN))('a device that', () => {
  const broken = (how: string) => ({ HYPERTUNE_CUDA_LIBRARY: BROKEN, HT_BROKEN_BACKEND: how });

  test('crashes', () => expectAbsent(broken('crash'), 'CUDA_PROBE_FAILED', ['SIGABRT', 'driver: assertion failed']));
  test('ends the process', () => expectAbsent(broken('exit'), 'CUDA_PROBE_FAILED', ['ended with code 7']));
  test('reports an error', () => expectAbsent(broken('error'), 'DEVICE_UNAVAILABLE', ['the device is in use']));
  test('hangs', async () => {
    const { milliseconds } = await expectAbsent(broken('hang'), 'CUDA_PROBE_FAILED', ['did not end within 10 s']);
    expect(milliseconds).toBeGreaterThan(9_000);
  });
});

describe.skipIf(!existsSync(EMULATED))('the machine', () => {
  test.each([
    ['without a driver', { HT_EMULATED_DRIVER: 'none' }, 'CUDA_NO_DRIVER', ['no NVIDIA driver']],
    ['with an old driver', { HT_EMULATED_DRIVER: '12.4' }, 'CUDA_DRIVER_TOO_OLD', ['12.4', '13.0']],
    ['without a device', { HT_EMULATED_DEVICES: '0' }, 'CUDA_NO_DEVICE', ['no CUDA device']],
    ['with an old device', { HT_EMULATED_CAPABILITY: '7.5' }, 'CUDA_DEVICE_TOO_OLD', ['capability 7.5', '8.0']],
    ['without cuBLAS', { HYPERTUNE_CUBLAS: '/nowhere' }, 'CUBLAS_NOT_FOUND', ['cuBLAS 13', '/nowhere']],
    ['with another cuBLAS', { HYPERTUNE_CUBLAS: OLD_CUBLAS }, 'CUBLAS_VERSION', ['cuBLAS 13', 'is cuBLAS 12']],
    ['with hardly any memory', { HT_EMULATED_MEMORY: '1000000' }, 'MEMORY_LIMIT', ['out of memory']],
  ] as [string, Record<string, string>, string, string[]][])('%s', async (_, environment, code, said) => {
    const found = { HYPERTUNE_CUDA_LIBRARY: EMULATED, ...environment };
    if (code !== 'MEMORY_LIMIT') return void (await expectAbsent(found, code, said));
    const { error, auto } = await open(found);
    expect(error).toMatchObject({ code, field: 'device' });
    expect(auto).toMatchObject({ device: 'cpu', content: [1, 2] });
  });

  test('that has everything', async () => {
    const { error, info, auto } = await open({ HYPERTUNE_CUDA_LIBRARY: EMULATED });
    expect(error).toBeUndefined();
    expect(info).toMatchObject({ device: 'cuda-emulated', detail: expect.stringMatching(/capability 8\.0.*cuBLAS 13/) });
    expect(auto).toMatchObject({ device: 'cuda-emulated', content: [1, 2] });
    expect(auto.note).toBeUndefined();
  });
});
