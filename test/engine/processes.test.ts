// Worker threads and processes that end in the middle of a run: nothing hangs, nothing crashes, exit codes are Node's own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { doubling, openEngine } from './support.ts';

const CHILD = path.join(path.dirname(fileURLToPath(import.meta.url)), 'child.ts');

const startWorker = (mode: string) => new Worker(new URL('worker.mjs', import.meta.url), { workerData: mode });
const startProcess = (mode: string) => spawn(process.execPath, ['--import', 'tsx', CHILD, mode], { stdio: ['ignore', 'pipe', 'ignore'] });

test('four workers share the addon and end in order', async () => {
  const workers = Array.from({ length: 4 }, () => startWorker('run'));
  const ends = workers.map((worker) => once(worker, 'exit'));
  const totals = await Promise.all(workers.map(async (worker) => String((await once(worker, 'message'))[0])));
  expect(totals[0]).toMatch(/^total \d/);
  expect(new Set(totals).size).toBe(1);
  expect((await Promise.all(ends)).map(([code]) => code)).toEqual([0, 0, 0, 0]);
});

test('a worker terminated in the middle of a run', async () => {
  const engine = openEngine();
  const program = doubling(engine);
  const worker = startWorker('wait');
  expect((await once(worker, 'message'))[0]).toBe('running');
  expect(await worker.terminate()).toBe(1);
  expect([...(await program.run({ symbols: { T: 1 }, feeds: { x: Float32Array.of(1, 2, 3) } })).y]).toEqual([2, 4, 6]);
});

test('a worker that throws in the middle of a run', async () => {
  const worker = startWorker('throw');
  const errors: Error[] = [];
  worker.on('error', (error) => errors.push(error));
  expect(await new Promise((resolve) => worker.on('exit', resolve))).toBe(1);
  expect(errors.map(({ message }) => message)).toEqual(['on purpose']);
});

test.each([
  ['run', 0], ['exit', 3], ['throw', 1], ['reject', 1],
])('a process in mode %s ends with code %d', async (mode, expected) => {
  const child = startProcess(mode);
  const end = once(child, 'exit');
  const output: string[] = [];
  child.stdout.on('data', (data) => output.push(String(data)));
  const [code, signal] = await end;
  expect([code, signal]).toEqual([expected, null]);
  expect(output.join('')).toMatch(mode === 'run' ? /^total/ : /^running/);
});

test.each(['SIGTERM', 'SIGINT'] as const)('a process that gets %s in the middle of a run', async (signal) => {
  const child = startProcess('wait');
  const end = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill(signal);
  expect(await end).toEqual([null, signal]);
});
