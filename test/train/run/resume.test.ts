// A run that is killed and started again ends with the same weights, bit for bit, and a log without gaps.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Random } from '../../../lib/data/random.ts';
import type { TrainingStep } from '../../../lib/train/loop.ts';
import { trainRun } from '../../../lib/train/run/run.ts';
import { ROOT, collect, exported, loggedSteps, readMetrics, temporaryFolder, toyJson, toyRun } from './support.ts';

const STEPS = 60;
const CHANGES = { schedule: { peak: 5e-3, steps: STEPS, warmup: 5 }, checkpoint: { every: 3 }, validate: { every: 10, batches: 1 }, metrics: { tensorboard: true } };
const CHILD = ['--import', 'tsx', path.join(ROOT, 'test/train/run/child.ts')];
const folder = await temporaryFolder();

async function runProcess(command: string, args: string[]): Promise<{ signal: string | null; code: number | null; out: string }> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, out };
}

async function configFile(changes: Record<string, unknown>): Promise<{ file: string; output: string }> {
  const output = path.join(await mkdtemp(path.join(folder, 'run-')), 'out');
  const file = `${output}.json`;
  await writeFile(file, JSON.stringify(toyJson(output, changes)));
  return { file, output };
}

const losses = async (output: string) => (await readMetrics(output)).map((r) => ('validation' in r ? r.validation : r).loss);

test('twenty kills at random moments, checkpoints included', async () => {
  const whole = path.join(folder, 'whole');
  await collect(toyRun(whole, CHANGES));
  const { file, output } = await configFile(CHANGES);
  const rng = Random.stream(11, 'kills');
  const reached: number[] = [];
  for (let kill = 0; kill < 20; kill++) {
    const { signal } = await runProcess(process.execPath, [...CHILD, file, String(rng.between(1, 50))]);
    expect(signal).toBe('SIGKILL');
    reached.push((await loggedSteps(output)).length);
  }
  // Kills fell into the middle of the run and were resumed from different places.
  expect(new Set(reached).size).toBeGreaterThan(8);
  expect(await runProcess(process.execPath, [...CHILD, file, '0'])).toEqual({ code: 0, signal: null, out: '' });
  expect(await exported(output)).toBe(await exported(whole));
  expect(await loggedSteps(output)).toEqual(Array.from({ length: STEPS }, (_, i) => i));
  expect(await losses(output)).toEqual(await losses(whole));
  expect((await readdir(output)).filter((name) => name.startsWith('.'))).toEqual([]);
}, 900_000);

test('a checkpoint that meets the limit of file sizes is a coded error, and the run resumes from the one before', async () => {
  const { file, output } = await configFile({ checkpoint: { every: 2 } });
  const whole: TrainingStep[] = await collect(toyRun(path.join(folder, 'short'), { checkpoint: { every: 2 } }));
  for await (const { step } of trainRun(toyRun(output, { checkpoint: { every: 2 } }))) if (step === 1) break;
  expect(await readdir(path.join(output, 'checkpoints'))).toEqual(['step-000002']);
  // Ignoring SIGXFSZ turns the limit into EFBIG, which the system gives as it would ENOSPC.
  const limited = await runProcess('/bin/bash', ['-c', `trap '' XFSZ; ulimit -f 100; exec "$@"`, 'bash', process.execPath, ...CHILD, file, '0']);
  expect(limited.code).toBe(1);
  expect(JSON.parse(limited.out)).toMatchObject({ code: 'FILE_IO', message: expect.stringMatching(/Cannot write .*step-0000\d\d.*EFBIG/) as string });
  expect(await readdir(path.join(output, 'checkpoints'))).toEqual(['step-000002']);
  const rest = await collect(toyRun(output, { checkpoint: { every: 2 } }));
  expect(rest.map((s) => s.step)).toEqual([2, 3, 4, 5]);
  expect(rest.map((s) => s.loss)).toEqual(whole.slice(2).map((s) => s.loss));
  expect(await exported(output)).toBe(await exported(path.join(folder, 'short')));
});
