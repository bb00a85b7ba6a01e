// What test/stress/ends.test.ts runs as a process: generation, tuning and a worker thread are under way when it ends in the given way.
import { Worker } from 'node:worker_threads';
import { HyperT5 } from '../../dist/index.js';

const [mode, folder] = process.argv.slice(2);
const examples = [{ input: 'post down road fight', output: 'down post road fight' }, { input: 'may society drink carry', output: 'society may drink carry' }];
const query = 'answer member society pass';
const model = await HyperT5.load(folder, { device: 'cpu' });
const adapter = await model.adapt(examples);
const worker = new Worker(new URL('../../bench/soak/worker.mjs', import.meta.url), { workerData: { folder, examples, query } });
worker.postMessage('go');
await new Promise((resolve) => worker.on('message', (text) => text !== 'loaded' && resolve()));
const forever = async (call) => {
  for (;;) await call();
};
const begun = Promise.all([0, 1].map(() => model.generate([query], { adapter })));
void forever(() => model.generate([query], { adapter, minNewTokens: 64, maxNewTokens: 64 }));
void forever(() => adapter.tune(examples, { steps: 50 }));
await begun;
if (mode === 'handler') process.on('SIGTERM', () => process.exit(143));
console.log('running');
if (mode === 'exit') process.exit(3);
if (mode === 'throw') throw new Error('on purpose');
if (mode === 'reject') void Promise.reject(new Error('on purpose'));
