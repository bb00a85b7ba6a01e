// One answer of the shipped model, as a program and as a worker thread; prints { answer, names }.
import { createRequire } from 'node:module';
import path from 'node:path';
import { parentPort } from 'node:worker_threads';
import * as hypertune from 'hypertune-native';

const weights = path.join(path.dirname(createRequire(import.meta.url).resolve('hypertune-native/package.json')), 'weights/tiny');
const examples = [
  { input: 'type set society right happy', output: 'set type society right happy' },
  { input: 'post down road fight', output: 'down post road fight' },
  { input: 'same site vote easy imagine', output: 'site same vote easy imagine' },
  { input: 'may society drink carry', output: 'society may drink carry' },
];
const model = await hypertune.HyperT5.load(weights, { device: 'cpu' });
const adapter = await model.adapt(examples);
const [answer] = await model.generate(['answer member society pass'], { adapter });
await model.dispose();

const result = JSON.stringify({ answer, names: Object.keys(hypertune).sort() });
if (parentPort) parentPort.postMessage(result);
else console.log(result);
