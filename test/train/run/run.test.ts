import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { HyperT5 } from '../../../lib/hyper/hypert5.ts';
import { openSafetensors } from '../../../lib/files/safetensors.ts';
import type { RunPlan } from '../../../lib/train/run/plan.ts';
import { trainRun } from '../../../lib/train/run/run.ts';
import { collect, exported, loggedSteps, readMetrics, temporaryFolder, toyRun } from './support.ts';

const folder = await temporaryFolder();
const at = (name: string) => path.join(folder, name);

test('a run leaves its configuration, log, curves, checkpoints and a model that answers', async () => {
  const plans: RunPlan[] = [];
  const config = toyRun(at('whole'), { validate: { every: 3, batches: 2 }, metrics: { tensorboard: true } });
  const steps = await collect(config, { onPlan: (plan) => plans.push(plan), evaluate: async (models, step) => ({ kinds: models.hyper.size, step }) });
  expect(steps.map((s) => s.step)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(steps.map((s) => s.validation?.scores)).toEqual([undefined, undefined, { kinds: 1, step: 3 }, undefined, undefined, { kinds: 1, step: 6 }]);
  expect(steps[5].validation!.parts.map((p) => p.name)).toEqual(['text', 'episodes']);
  expect(steps[5].loss).toBeLessThan(steps[0].loss);

  expect(plans).toHaveLength(1);
  const [{ models, bytes, rowsPerStep, from }] = plans;
  const [t5, hyper] = models;
  expect({ names: models.map((m) => m.name), frozen: t5.frozen + hyper.frozen, rowsPerStep, from }).toEqual({ names: ['t5', 'hyper-lora'], frozen: 0, rowsPerStep: 4 + 2 * 4, from: 0 });
  // f32 weights; gradient sum and two moments each.
  expect(bytes.weights).toBe(4 * (t5.trained + hyper.trained));
  expect(bytes.optimizer).toBe(3 * bytes.weights);
  expect(bytes.arena).toBeGreaterThan(0);

  expect((await readdir(config.output)).sort()).toEqual(['checkpoints', 'curves.svg', 'events.out.tfevents.hypertune', 'metrics.jsonl', 'model', 'run.json']);
  expect(JSON.parse(await readFile(at('whole/run.json'), 'utf8'))).toEqual(config);
  expect(await loggedSteps(config.output)).toEqual([0, 1, 2, 3, 4, 5]);
  expect((await readMetrics(config.output))[3]).toMatchObject({ step: 3, validation: { loss: steps[2].validation!.loss } });
  expect(await readFile(at('whole/curves.svg'), 'utf8')).toContain('episodes, validation');

  const model = await HyperT5.load(config.export.folder);
  const adapter = await model.adapt([{ input: 'a b', output: 'b a' }]);
  expect(await model.generate(['c d'], { adapter, maxNewTokens: 2 })).toHaveLength(1);
  await model.dispose();
});

test('the same call on a finished run trains nothing and writes the model again', async () => {
  const config = toyRun(at('again'));
  await collect(config);
  const before = await exported(config.output);
  const notes: string[] = [];
  expect(await collect(config, { onNote: (note) => notes.push(note) })).toEqual([]);
  expect(notes).toEqual([`continuing at step 6 of 6 from ${at('again/checkpoints/step-000006')}`]);
  expect(await exported(config.output)).toBe(before);
});

test('an abort ends the step, writes a checkpoint, and the run goes on from there to the same end', async () => {
  await collect(toyRun(at('unbroken')));
  const abort = new AbortController();
  const config = toyRun(at('aborted'), { checkpoint: { every: 100 } });
  const run = async () => {
    for await (const { step } of trainRun(config, { signal: abort.signal })) if (step === 2) abort.abort();
  };
  await expect(run()).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('after step 3 of 6; a checkpoint is written') as string });
  expect(await readdir(at('aborted/checkpoints'))).toEqual(['step-000003']);
  expect((await collect(config)).map((s) => s.step)).toEqual([3, 4, 5]);
  expect(await exported(config.output)).toBe(await exported(at('unbroken')));
  await expect(collect(config, { signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('before it began') as string });
});

test('threads, log and checkpoint settings may change when a run continues; what it computes may not', async () => {
  const first = toyRun(at('course'));
  for await (const { step } of trainRun(first)) if (step === 2) break;
  await expect(collect(toyRun(at('course'), { seed: 6 }))).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'seed' });
  await expect(collect(toyRun(at('course'), { schedule: { peak: 1, steps: 6 } }))).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'schedule' });
  const rest = await collect(toyRun(at('course'), { threads: 2, metrics: { tensorboard: true }, checkpoint: { every: 4, keep: 1 } }));
  expect(rest.map((s) => s.step)).toEqual([2, 3, 4, 5]);
  expect(await exported(at('course'))).toBe(await exported(at('unbroken')));
});

test('training stops when validation no longer gets better, and the best step is exported', async () => {
  // A rate that breaks the model after its warm-up: the best validation is an early one.
  const changes = { schedule: { kind: 'constant', peak: 2, steps: 40, warmup: 1 }, validate: { every: 1, batches: 1 }, checkpoint: { every: 100, keep: 1 } };
  const config = toyRun(at('early'), { ...changes, earlyStop: { patience: 3 } });
  const steps = await collect(config);
  const losses = steps.map((s) => s.validation!.loss);
  const best = losses.indexOf(Math.min(...losses));
  expect(best).toBeLessThan(36);
  expect(steps).toHaveLength(best + 1 + 3);
  const name = (step: number) => `step-${String(step).padStart(6, '0')}`;
  expect(await readdir(at('early/checkpoints'))).toEqual([...new Set([name(best + 1), name(steps.length)])]);
  const kept = await openSafetensors(at(`early/checkpoints/${name(best + 1)}/state.safetensors`));
  const model = await openSafetensors(path.join(config.export.folder, 'model.safetensors'));
  expect(Buffer.compare(await model.read('shared.weight'), await kept.read('t5.shared.weight'))).toBe(0);
  expect(await collect(config)).toEqual([]); // a stopped run stays stopped
});

test('a loss that is no number: the node and the texts are told, parameters and checkpoint stay', async () => {
  const config = toyRun(at('broken'), { schedule: { kind: 'constant', peak: 1e30, steps: 6, warmup: 0 }, optimizer: { maxNorm: 0, weightDecay: 0 }, checkpoint: { every: 1 } });
  const error = await collect(config).catch((e: unknown) => e as Error);
  expect(error).toMatchObject({ code: 'NUMERIC' });
  const [, step, op, node, file] = /step (\d+).* is that of (\w+) '(.+?)' in part.* are in (\S+)\. /.exec((error as Error).message)!;
  expect(Number(step)).toBeGreaterThan(0);
  const report = JSON.parse(await readFile(file, 'utf8')) as { step: number; first: { part: string; value: { op: string; node: string; value: string } }; batches: { part: string; rows: { input: string; target: string }[] }[] };
  expect(report).toMatchObject({ step: Number(step), first: { part: 'text', value: { op, node } } });
  expect(report.first.value.value).toMatch(/NaN|Infinity/);
  expect(report.batches[0]).toMatchObject({ part: 'text' });
  expect(report.batches[0].rows).toHaveLength(4);
  expect(report.batches[0].rows[0].target).toMatch(/[a-z]/);
  const [last] = (await readdir(at('broken/checkpoints'))).slice(-1);
  expect(last).toBe(`step-${step.padStart(6, '0')}`);
  const kept = await openSafetensors(at(`broken/checkpoints/${last}/state.safetensors`));
  for (const name of kept.tensors.keys()) expect((await kept.readFloat32(name)).every(Number.isFinite)).toBe(true);
  expect(await loggedSteps(config.output)).toEqual(Array.from({ length: Number(step) }, (_, i) => i));
});

test('rules freeze by name, and a rule that matches nothing is refused', async () => {
  const config = toyRun(at('rules'), { train: { t5: true, rules: [{ match: 't5.shared.weight', freeze: true }, { match: 'hyper-lora.*', lr: 2 }] }, schedule: { peak: 1e-3, steps: 2 } });
  const plans: RunPlan[] = [];
  await collect(config, { onPlan: (plan) => plans.push(plan) });
  expect(plans[0].models.find((m) => m.name === 't5')!.frozen).toBe(4100 * 16);
  await expect(collect(toyRun(at('rules2'), { train: { t5: true, rules: [{ match: 't6.*', freeze: true }] } }))).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'train.rules[0].match' });
});

test('bf16 with masters and averages resumes bit for bit and exports the averages', async () => {
  const changes = { dtype: 'bf16', optimizer: { average: 0.9 }, validate: { every: 2, batches: 1 }, export: { dtype: 'bf16' } };
  const whole = await collect(toyRun(at('half'), changes));
  for await (const { step } of trainRun(toyRun(at('half2'), changes))) if (step === 3) break;
  const rest = await collect(toyRun(at('half2'), changes));
  expect(rest.map((s) => s.loss)).toEqual(whole.slice(4).map((s) => s.loss));
  expect(await exported(at('half2'))).toBe(await exported(at('half')));
  const model = await openSafetensors(at('half/model/model.safetensors'));
  expect(model.tensors.get('shared.weight')!.dtype).toBe('BF16');
  const state = await openSafetensors(at('half/checkpoints/step-000006/state.safetensors'));
  const [average, master] = [await state.readFloat32('t5.shared.weight.average'), await state.readFloat32('t5.shared.weight.master')];
  const stored = await model.readFloat32('shared.weight');
  const distance = (values: Float32Array) => Math.max(...stored.map((x, i) => Math.abs(x - values[i])));
  expect(distance(average)).toBeLessThan(distance(master));
});

test('two runs cannot use one folder at the same time', async () => {
  const first = trainRun(toyRun(at('shared')));
  await first.next();
  await expect(collect(toyRun(at('shared')))).rejects.toMatchObject({ code: 'FILE_IO', message: expect.stringContaining('is in use') as string });
  await first.return(undefined);
});
