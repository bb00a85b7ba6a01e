// A worker thread that works until it is terminated. It takes the built package: compiling TypeScript in every thread would be most of the work.
import { parentPort, workerData } from 'node:worker_threads';
import { HyperT5 } from '../../dist/index.js';

const { folder, examples, query } = workerData;
const model = await HyperT5.load(folder, { device: 'cpu' });
parentPort.postMessage('loaded');
await new Promise((resolve) => parentPort.once('message', resolve));
const adapter = await model.adapt(examples);
parentPort.postMessage((await model.generate([query], { adapter }))[0]);
parentPort.ref();
for (;;) await Promise.all([model.generate([query], { adapter, minNewTokens: 64, maxNewTokens: 64 }), model.adapt(examples).then((a) => a.dispose()), adapter.tune(examples, { steps: 2 }).then((a) => a.dispose())]);
