import { expect, test } from 'vitest';
import { HypertuneError } from '../../../lib/engine/errors.ts';
import { BrokenStep, train } from '../../../lib/train/loop.ts';
import type { Part, TrainOptions, TrainingStep } from '../../../lib/train/loop.ts';
import type { Objective, TextRows } from '../../../lib/train/objectives.ts';
import { learningRate } from '../../../lib/train/schedule.ts';

const SCHEDULE = { peak: 1, steps: 3, warmup: 0, decayFrom: 0, floor: 0 };

/** Two rows, of `length` and 1 tokens, to encode; one and one to decode. */
function rows(length: number): TextRows {
  return { encoder: { ids: new Int32Array(length + 1), offsets: Int32Array.of(0, length, length + 1) }, decoder: { ids: new Int32Array(2), offsets: Int32Array.of(0, 1, 2) }, labels: Int32Array.of(7, 8) };
}

/** An objective that takes its losses from a list and writes down what happens. */
function fake(name: string, log: string[], lossOf: (call: number) => { loss: number; tokens: number }): Objective<TextRows> {
  let calls = 0;
  return {
    async accumulate() {
      const call = calls++;
      log.push(`${name} starts`);
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      log.push(`${name} ends`);
      return lossOf(call);
    },
    evaluate: () => Promise.reject(new Error('not here')), prepare: () => Promise.resolve(0), inspect: () => ({ graph: undefined as never, inputs: {} }), dispose: () => undefined,
  };
}

function fakeOptimizer(log: string[], norm = 1) {
  return { step: 0, prepare: () => undefined, update: async (lr: number, count: number) => (log.push(`update ${lr.toFixed(2)} ${count}`), { norm }) };
}

async function all(options: TrainOptions): Promise<TrainingStep[]> {
  const steps = [];
  for await (const step of train(options)) steps.push(step);
  return steps;
}

test('every part runs its microbatches, then one update; batches are built while a part runs', async () => {
  const log: string[] = [];
  const part = (name: string, microbatches: number): Part => ({ name, microbatches, objective: fake(name, log, () => ({ loss: 6, tokens: 2 })), batch: (step, micro) => (log.push(`${name} ${step}.${micro}`), rows(3)) });
  const schedule = { ...SCHEDULE, steps: 2 };
  const steps = await all({ parts: [part('a', 1), part('b', 2)], optimizer: fakeOptimizer(log), schedule });
  const built = (line: string) => /^[ab] \d\.\d$/.test(line);
  expect(log.filter(built)).toEqual(['a 0.0', 'b 0.0', 'b 0.1', 'a 1.0', 'b 1.0', 'b 1.1']);
  const ran = ['a starts', 'a ends', 'b starts', 'b ends', 'b starts', 'b ends'];
  expect(log.filter((line) => !built(line))).toEqual([...ran, 'update 1.00 6', ...ran, `update ${learningRate(schedule, 1).toFixed(2)} 6`]);
  expect(log.slice(log.indexOf('a starts') + 1, log.indexOf('a ends'))).toContain('b 0.0');
  expect(steps[1]).toMatchObject({ step: 1, loss: 3, tokens: 6, parts: [{ name: 'a', loss: 3, tokens: 2 }, { name: 'b', loss: 3, tokens: 4 }], norm: 1 });
});

test('the loss of a step is the mean over the tokens of all parts', async () => {
  const parts: Part[] = [
    { name: 'a', objective: fake('a', [], () => ({ loss: 10, tokens: 2 })), batch: () => rows(1) },
    { name: 'b', objective: fake('b', [], () => ({ loss: 2, tokens: 4 })), batch: () => rows(1) },
  ];
  const [step] = await all({ parts, optimizer: fakeOptimizer([]), schedule: { ...SCHEDULE, steps: 1 } });
  expect(step.loss).toBe(2);
  expect(step.parts.map((p) => p.loss)).toEqual([5, 0.5]);
});

test('the share of real tokens is against rows padded to the longest of their batch', async () => {
  const [step] = await all({ parts: [{ name: 'a', objective: fake('a', [], () => ({ loss: 1, tokens: 2 })), batch: () => rows(5) }], optimizer: fakeOptimizer([]), schedule: { ...SCHEDULE, steps: 1 } });
  expect(step.realShare).toBe((6 + 2) / (10 + 2));
  expect(step.tokensPerSecond).toBeCloseTo(8 / step.seconds, 6);
});

test('a batch that cannot be built fails its own step, not the one before', async () => {
  const part: Part = { name: 'a', objective: fake('a', [], () => ({ loss: 1, tokens: 1 })), batch: (step) => (step === 1 ? Promise.reject(new Error('no more data')) : rows(1)) };
  const run = train({ parts: [part], optimizer: fakeOptimizer([]), schedule: SCHEDULE });
  expect((await run.next()).value).toMatchObject({ step: 0 });
  await expect(run.next()).rejects.toThrow('no more data');
});

test('a loss that is no number stops before the update and carries the batches', async () => {
  const log: string[] = [];
  const batches = [rows(1), rows(2), rows(3)];
  const part: Part = { name: 'a', microbatches: 3, objective: fake('a', log, (call) => ({ loss: call === 1 ? NaN : 1, tokens: 1 })), batch: (_, micro) => batches[micro] };
  const error = await all({ parts: [part], optimizer: fakeOptimizer(log), schedule: SCHEDULE }).catch((e: unknown) => e as HypertuneError);
  expect(error).toMatchObject({ code: 'NUMERIC', message: expect.stringContaining('part a in step 0 is NaN') as string });
  const cause = (error as HypertuneError).cause as BrokenStep;
  expect({ step: cause.step, part: cause.part }).toEqual({ step: 0, part: 'a' });
  expect(cause.batches.map((b) => b.batch)).toEqual(batches.slice(0, 2));
  expect(log.filter((line) => line.startsWith('update'))).toEqual([]);
});

test('a schedule without usable rates is refused before a batch is built', async () => {
  const log: string[] = [];
  const part: Part = { name: 'a', objective: fake('a', log, () => ({ loss: 1, tokens: 1 })), batch: () => (log.push('batch'), rows(1)) };
  for (const [field, value] of Object.entries({ peak: NaN, warmup: -1, floor: 2 })) {
    await expect(all({ parts: [part], optimizer: fakeOptimizer(log), schedule: { ...SCHEDULE, [field]: value } })).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: `schedule.${field}` });
  }
  expect(log).toEqual([]);
});

test('an abort ends the run between two steps', async () => {
  const abort = new AbortController();
  const run = train({ parts: [{ name: 'a', objective: fake('a', [], () => ({ loss: 1, tokens: 1 })), batch: () => rows(1) }], optimizer: fakeOptimizer([]), schedule: SCHEDULE, signal: abort.signal });
  await run.next();
  abort.abort();
  await expect(run.next()).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('before step 1') as string });
});

test('a run that has done its steps ends at once', async () => {
  expect(await all({ parts: [{ name: 'a', objective: fake('a', [], () => ({ loss: 1, tokens: 1 })), batch: () => rows(1) }], optimizer: { ...fakeOptimizer([]), step: 3 }, schedule: SCHEDULE })).toEqual([]);
});
