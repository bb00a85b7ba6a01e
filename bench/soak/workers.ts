/** Worker threads that are terminated in the middle of their work; the weights are in memory once for all of them. */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Random } from '../../lib/data/random.ts';
import { native } from '../../lib/engine/native.ts';
import { HyperT5 } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { EXAMPLES, QUERY, TINY, scaled } from './suite.ts';

const THREADS = 8;
const ROUNDS = 50;
/** The longest a worker goes on after its first answer: a few calls. */
const LIFE_MS = 60;

async function run(size: number): Promise<Figure[]> {
  const random = Random.stream(1, 'workers');
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const weights = native().held();
  const expected = (await model.generate([QUERY], { adapter: await model.adapt(EXAMPLES) }))[0];
  const own = native().held();
  let [wrong, codes, heldMost] = [0, 0, 0];
  const rounds = scaled(ROUNDS, size);
  for (let round = 0; round < rounds; round++) {
    const workers = Array.from({ length: THREADS }, () => new Worker(new URL('worker.mjs', import.meta.url), { workerData: { folder: TINY, examples: EXAMPLES, query: QUERY } }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    heldMost = Math.max(heldMost, native().held() - own);
    await Promise.all(workers.map(async (worker) => {
      const answered = once(worker, 'message');
      worker.postMessage('go');
      if ((await answered)[0] !== expected) wrong++;
      await setTimeout(random.float() * LIFE_MS);
      if ((await worker.terminate()) !== 1) codes++;
    }));
  }
  const left = native().held() - own;
  const same = (await model.generate([QUERY], { adapter: await model.adapt(EXAMPLES) }))[0] === expected;
  await model.dispose();
  return [
    { what: 'threads terminated', value: THREADS * rounds, unit: '' },
    { what: `bytes that ${THREADS} threads add by loading a model that is loaded, to those of the first`, value: heldMost / weights, unit: '', most: 0.05 },
    { what: 'answers that differ', value: wrong + Number(!same), unit: '', most: 0 },
    { what: 'exit codes other than that of terminate()', value: codes, unit: '', most: 0 },
    { what: 'bytes left in buffers and arenas', value: left, unit: 'bytes', most: 0 },
  ];
}

export const workers: Suite = { title: `${THREADS} threads, ${ROUNDS} rounds of load, adapt, generate, terminate`, run };
