// The quickstart's way and 20 training steps on the emulated CUDA device, or that of HYPERTUNE_CUDA_LIBRARY, against the CPU: in fp32
// the tokens are the same, and losses differ by the order of sums only.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import type { JobResult } from './job.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const LIBRARY = process.env.HYPERTUNE_CUDA_LIBRARY ?? path.resolve(here, '../../build/tests/hypertune_cuda_emulated.so');
const DEVICE = LIBRARY.endsWith('_emulated.so') ? 'cuda-emulated' : 'cuda';

async function job(device: string, environment: Record<string, string> = {}): Promise<JobResult> {
  const env = { ...process.env, HYPERTUNE_CUDA_LIBRARY: LIBRARY, ...environment };
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', path.join(here, 'job.ts'), device], { env, maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as JobResult;
}

let cpu: JobResult;
beforeAll(async () => {
  cpu = await job('cpu');
  expect(cpu.device).toBe('cpu');
  expect(new Set(cpu.answers).size).toBeGreaterThan(1);
});

test.each([
  ['through captured graphs', '1'],
  ['eagerly', '0'],
])('answers and losses %s', async (_, graphs) => {
  const cuda = await job('cuda', { HYPERTUNE_CUDA_GRAPHS: graphs });
  expect(cuda.device).toBe(DEVICE);
  expect(cuda.answers).toEqual(cpu.answers);
  expect(cuda.losses).toHaveLength(cpu.losses.length);
  for (const [i, loss] of cuda.losses.entries()) expect(Math.abs(loss / cpu.losses[i] - 1), `step ${i}`).toBeLessThan(1e-4);
}, 600_000);
