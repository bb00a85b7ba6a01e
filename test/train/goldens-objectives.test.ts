// Ten steps of every objective and of every feature of the optimisers against PyTorch (test/goldens/training).
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import { allocateHypermodel } from '../../lib/hyper/hypermodel.ts';
import { allocateT5, Parameters } from '../../lib/t5/parameters.ts';
import type { Parameter } from '../../lib/t5/parameters.ts';
import { Adafactor } from '../../lib/train/adafactor.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { hyperObjective, textObjective } from '../../lib/train/objectives.ts';
import type { Objective, EpisodeRows, ObjectiveOptions } from '../../lib/train/objectives.ts';
import type { RuleOptimizer, TrainedParameter } from '../../lib/train/optimizer.ts';
import { applyRules } from '../../lib/train/parameters.ts';
import { readGolden } from '../goldens/read.ts';
import { packed, trainingBatches } from '../goldens/training-batches.ts';
import type { RowLists } from '../goldens/training-batches.ts';
import { writeStart } from '../goldens/training-start.ts';
import { hyperConfig, tinyConfig } from '../hyper/support.ts';

interface Case {
  batches: string;
  hyper: 'lora' | 'prefix' | null;
  train: string[];
  frozen: string | null;
  optimizer: 'adamw' | 'adafactor';
  lr: number;
  weight_decay: number;
  eps: number;
  max_norm: number;
  microbatches: number;
  average: number | null;
  losses: number[];
  gradient_norms: number[];
  final_loss: number;
  average_loss?: number;
}

const cases: Record<string, Case> = readGolden('training/objectives.json').cases;
const batches: Record<string, RowLists[]> = readGolden('training/batches.json');
const CAPACITY = { rows: 8, encoderTokens: 256, decoderTokens: 128, sets: 4, hyperTokens: 256 };
// One step differs as fp32 sums in another order do. Adam's first steps have one size however small a gradient is, so with
// LoRA factors of nearly 0 runs part faster than elsewhere: the norms by 3e-3 after ten steps, the losses by 1e-4.
const FIRST_STEP = 1e-5;
const LOSS = 1e-3;
const NORM = 1e-2;

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

async function openCase(c: Case, options: ObjectiveOptions) {
  const config = tinyConfig();
  const t5 = allocateT5(engine, config, 'f32', false);
  await writeStart('t5', t5.all());
  const hyper = c.hyper ? allocateHypermodel(engine, hyperConfig(c.hyper), config, false) : undefined;
  if (hyper) await writeStart('hyper', hyper.parameters.all());
  const named = (model: string, parameters: readonly Parameter[]): TrainedParameter[] =>
    c.train.includes(model) ? parameters.map((p) => ({ ...p, name: `${model}.${p.name}`, lrScale: 1, weightDecay: c.weight_decay })) : [];
  const trained = applyRules([...named('t5', t5.all()), ...named('hyper', hyper?.parameters.all() ?? [])], c.frozen ? [{ match: c.frozen, freeze: true }] : []);
  const shared = { maxNorm: c.max_norm, averageDecay: c.average ?? undefined };
  const optimizer: RuleOptimizer = c.optimizer === 'adamw' ? new AdamW(engine, trained, { ...shared, eps: c.eps }) : new Adafactor(engine, trained, shared);
  const averages = optimizer.averages();
  const averaged = (model: string, parameters: Parameters) => Parameters.of(engine, parameters.all().map((p) => ({ ...p, buffer: averages.get(`${model}.${p.name}`) ?? p.buffer })));
  const objective = (swap: (model: string, parameters: Parameters) => Parameters): Objective<EpisodeRows> =>
    hyper
      ? hyperObjective(engine, config, swap('t5', t5), { ...hyper, parameters: swap('hyper', hyper.parameters) }, optimizer, CAPACITY, options)
      : (textObjective(engine, config, swap('t5', t5), optimizer, CAPACITY, options) as Objective<EpisodeRows>);
  return { optimizer, frozen: [...t5.all(), ...(hyper?.parameters.all() ?? [])].filter(({ buffer }) => !trained.some((p) => p.buffer === buffer)), objective: objective((_, p) => p), average: objective(averaged) };
}

const close = (found: number, expected: number, tolerance: number, what: string) => expect(Math.abs(found - expected) / expected, what).toBeLessThan(tolerance);

/** Losses and gradient norms of ten steps, and the losses after them. */
async function tenSteps(c: Case, options: ObjectiveOptions = {}) {
  const { optimizer, frozen, objective, average } = await openCase(c, options);
  const held = async () => Promise.all(frozen.map(async ({ buffer }) => [...(await engine.read(buffer)).slice(0, 50)]));
  const before = await held();
  const data = batches[c.batches].map(packed);
  const mean = ({ loss, tokens }: { loss: number; tokens: number }) => loss / tokens;
  const [losses, norms]: number[][] = [[], []];
  for (let step = 0; step < c.losses.length; step++) {
    let [loss, tokens] = [0, 0];
    for (let micro = 0; micro < c.microbatches; micro++) {
      const result = await objective.accumulate(data[(step * c.microbatches + micro) % data.length]);
      loss += result.loss;
      tokens += result.tokens;
    }
    losses.push(loss / tokens);
    norms.push((await optimizer.update(c.lr, tokens)).norm);
  }
  const last = { final: mean(await objective.evaluate(data[0])), average: c.average === null ? undefined : mean(await average.evaluate(data[0])) };
  expect(await held()).toEqual(before);
  for (const each of [objective, average, optimizer]) each.dispose();
  return { losses, norms, ...last };
}

test('the batches are those that the samplers draw', async () => {
  expect(await trainingBatches()).toEqual(batches);
});

describe('ten steps', () => {
  test.each(Object.entries(cases))('%s', async (_, c) => {
    const { losses, norms, final, average } = await tenSteps(c);
    c.losses.forEach((loss, step) => close(losses[step], loss, step ? LOSS : FIRST_STEP, `loss of step ${step}`));
    c.gradient_norms.forEach((norm, step) => close(norms[step], norm, step ? NORM : FIRST_STEP, `gradient norm of step ${step}`));
    close(final, c.final_loss, LOSS, 'loss after ten steps');
    if (average !== undefined) close(average, c.average_loss!, LOSS, 'loss of the average');
  });

  test.each(['span corruption', 'HyperTuning+'])('%s, with checkpointing, to the bit', async (name) => {
    expect(await tenSteps(cases[name], { checkpointing: true })).toEqual(await tenSteps(cases[name]));
  });
});
