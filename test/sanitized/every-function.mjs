// Calls every public function once, with failures, cancelled calls and a worker thread among them: what scripts/test-sanitized.mjs looks
// for leaks in. Plain node and the built package, so that no test runner's memory is in the way.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as hypertune from '../../dist/index.js';

assert.deepEqual(Object.keys(hypertune).sort(), ['Adapter', 'HyperT5', 'HypertuneError', 'Tokenizer', 'cpuSettings', 'parseRunConfig', 'readExamples', 'readRunConfig', 'trainRun']); // a new one is called below
const { HyperT5, Tokenizer, cpuSettings, parseRunConfig, readExamples, readRunConfig, trainRun } = hypertune;
const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const TINY = path.join(ROOT, 'weights/tiny');
const query = 'answer member society pass';
const dir = await mkdtemp(path.join(os.tmpdir(), 'every-function-'));

const examples = await readExamples(path.join(ROOT, 'examples/swap-first-two.jsonl'));
cpuSettings({ threads: 2 });
const tokenizer = await Tokenizer.fromFolder(TINY);
assert.equal(tokenizer.decode(tokenizer.encode(query)), query);

for (const device of ['cpu', 'reference']) {
  const model = await HyperT5.load(TINY, { device });
  assert.ok(model.info().bytes > 0 && model.kinds.length > 0);
  const [written] = await model.adaptAll([examples, examples.slice(1)]);
  const fresh = await model.newAdapter({ kind: 'lora', rank: 2 });
  const tuned = await fresh.tune(examples.slice(0, 2), { steps: 2, onStep: async ({ snapshot }) => (await snapshot()).dispose() });
  await tuned.save(path.join(dir, 'adapter'));
  const loaded = await model.loadAdapter(path.join(dir, 'adapter'));
  const both = await model.combine([written, loaded]), mean = await model.average([tuned, loaded]);
  const short = { maxNewTokens: 6 };
  await model.generate([query, query], { adapters: [both, null], ...short });
  await model.generateDetailed([query], { adapter: mean, doSample: true, seed: 1, ...short });
  await model.generate([query], { adapter: written, numBeams: 2, ...short });
  for await (const piece of model.stream(query, { adapter: written, ...short })) assert.equal(typeof piece, 'string');
  for await (const piece of model.stream(query, { adapter: written })) if (piece) break;
  await model.score([query], [['a', 'b c']], { adapter: loaded });
  await model.encode([query]);
  await model.merge(tuned, path.join(dir, 'merged'));
  const controller = new AbortController();
  const late = [model.generate([query], { signal: controller.signal, minNewTokens: 60, maxNewTokens: 60 }), fresh.tune(examples, { steps: 50, signal: controller.signal })];
  controller.abort();
  for (const { reason } of await Promise.allSettled(late)) assert.equal(reason?.code, 'ABORTED');
  await assert.rejects(HyperT5.load(TINY, { device, memoryLimit: 10_000 }), { code: 'MEMORY_LIMIT' });
  await assert.rejects(HyperT5.load(path.join(dir, 'nothing'), { device }), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(model.generate([query], { temperature: -1, doSample: true }), { code: /./ });
  for (const adapter of [written, fresh, tuned, loaded, both, mean]) adapter.dispose();
  await model.dispose();
}

const small = { output: path.join(dir, 'run'), t5: { folder: TINY }, hyper: { folder: path.join(TINY, 'hyper-both') }, parts: [{ kind: 'episodes', sets: 1, queriesPerSet: 1, data: [{ generated: {} }] }], schedule: { peak: 1e-4, steps: 2 } };
await writeFile(path.join(dir, 'run.json'), JSON.stringify(small));
assert.deepEqual((await readRunConfig(path.join(dir, 'run.json'))).schedule, parseRunConfig(small).schedule);
for await (const step of trainRun(parseRunConfig(small))) assert.ok(Number.isFinite(step.loss));

const worker = new Worker(new URL('../../bench/soak/worker.mjs', import.meta.url), { workerData: { folder: TINY, examples, query } });
await once(worker, 'message');
worker.postMessage('go');
await once(worker, 'message');
await worker.terminate();
await rm(dir, { recursive: true });
console.log('every public function has been called');
