/** What the event loop does while a model works: how late a timer of 10 ms comes. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HyperT5, parseRunConfig, trainRun } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { median } from '../figures.ts';
import { EXAMPLES, QUERY, TINY, quantile } from './suite.ts';

const PERIOD_MS = 10;
const PHASE_MS = 20_000;
const LIMITED = ['load', 'adapt', 'generate', 'train'];

/** Milliseconds between the ticks of a timer while `work` is repeated. */
async function ticks(milliseconds: number, work: () => Promise<unknown>): Promise<number[]> {
  await work(); // what is compiled once per process is not repeated by a service
  const times: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    times.push(now - last);
    last = now;
  }, PERIOD_MS);
  const end = last + milliseconds;
  while (performance.now() < end) await work();
  clearInterval(timer);
  return times;
}

async function run(size: number): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'soak-timer-'));
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const adapter = await model.adapt(EXAMPLES);
  let runs = 0;
  const phases: [string, () => Promise<unknown>][] = [
    ['nothing', () => new Promise((resolve) => setTimeout(resolve, 1000))],
    // What the machine adds where others use it: an event loop that works as much as `load` makes it, 3 ms at a time.
    ['JavaScript of 3 ms', async () => {
      for (const end = performance.now() + 3; performance.now() < end; );
      await nextTurn();
    }],
    ['load', async () => (await HyperT5.load(TINY, { device: 'cpu' })).dispose()],
    ['adapt', async () => (await model.adapt(EXAMPLES)).dispose()],
    ['generate', () => model.generate([QUERY, 'one two three'], { adapter, minNewTokens: 64, maxNewTokens: 64 })],
    ['train', async () => {
      const config = parseRunConfig({
        output: path.join(folder, String(runs++)), seed: 1, t5: { folder: TINY }, hyper: { folder: path.join(TINY, 'hyper-both') },
        parts: [{ kind: 'episodes', sets: 4, queriesPerSet: 4, data: [{ generated: {} }] }], schedule: { peak: 5e-4, steps: 20, warmup: 2 },
      });
      for await (const step of trainRun(config)) void step;
    }],
  ];
  const figures: Figure[] = [];
  for (const [name, work] of phases) {
    const times = await ticks(PHASE_MS * size, work);
    figures.push({ what: `${name}: 99th percentile of a ${PERIOD_MS} ms timer`, value: quantile(times, 0.99), unit: 'ms', ...(LIMITED.includes(name) && { most: 25 }) });
    figures.push({ what: `${name}: median`, value: median(times), unit: 'ms' }, { what: `${name}: longest`, value: Math.max(...times), unit: 'ms' });
  }
  await model.dispose();
  await rm(folder, { recursive: true });
  return figures;
}

export const timer: Suite = { title: 'a timer while models load, adapt, generate and train', run };
