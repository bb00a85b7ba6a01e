// Adafactor, averages and the machinery that all optimisers share, against transformers (test/goldens/training) and by hand.
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import { Graph, compile } from '../../lib/graph/index.ts';
import { Adafactor } from '../../lib/train/adafactor.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { averageRate } from '../../lib/train/average.ts';
import type { RuleOptimizer, TrainedParameter } from '../../lib/train/optimizer.ts';
import { readGolden } from '../goldens/read.ts';

type Tensors = Record<string, number[]>;

const golden = readGolden('training/optimizers.json');
const engines = { cpu: Engine.open({ device: 'cpu' }), reference: Engine.open({ device: 'reference' }) };
afterAll(() => Promise.all(Object.values(engines).map((engine) => engine.dispose())));

const floats = async (engine: Engine, buffer: TrainedParameter['buffer']) => Float64Array.from(await engine.read(buffer));

async function parametersOf(engine: Engine, values: Tensors, shapes: Record<string, number[]>, weightDecay = 0): Promise<TrainedParameter[]> {
  const list: TrainedParameter[] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    const buffer = engine.buffer('f32', values[name].length, { name });
    await engine.write(buffer, Float32Array.from(values[name]));
    list.push({ name, shape, buffer, lrScale: 1, weightDecay });
  }
  return list;
}

/** Puts gradient sums where accumulations would have. */
async function giveGradients(optimizer: RuleOptimizer, gradients: Tensors): Promise<void> {
  for (const { parameter, grad } of optimizer.slots) await optimizer.engine.write(grad, Float32Array.from(gradients[parameter.name]));
}

/** One parameter w of [1, 2, 3] and an optimiser for it. */
async function single<T extends RuleOptimizer>(engine: Engine, make: (parameters: TrainedParameter[]) => T): Promise<{ w: TrainedParameter['buffer']; optimizer: T }> {
  const parameters = await parametersOf(engine, { w: [1, 2, 3] }, { w: [3] });
  return { w: parameters[0].buffer, optimizer: make(parameters) };
}

function expectClose(found: ArrayLike<number>, expected: readonly number[], tolerance: number, what: string): void {
  const size = Math.max(...expected.map(Math.abs));
  const error = Math.max(...expected.map((x, i) => Math.abs(found[i] - x)));
  expect(found.length, what).toBe(expected.length);
  expect(error / size, what).toBeLessThan(tolerance);
}

describe.each(Object.keys(engines) as (keyof typeof engines)[])('Adafactor on %s', (device) => {
  test.each(Object.keys(golden.adafactor))('ten updates, %s', async (mode) => {
    const engine = engines[device];
    const { options, average, ...states } = golden.adafactor[mode];
    const parameters = await parametersOf(engine, golden.initial, golden.shapes, options.weight_decay);
    const [eps1, eps2] = options.eps ?? [undefined, undefined];
    const optimizer = new Adafactor(engine, parameters, {
      eps1, eps2, clipThreshold: options.clip_threshold, decayRate: options.decay_rate, beta1: options.beta1, scaleParameter: options.scale_parameter,
      relativeStep: options.relative_step, warmupInit: options.warmup_init, maxNorm: 0, averageDecay: golden.ema_decay,
    });
    for (const gradients of golden.gradients) {
      await giveGradients(optimizer, gradients);
      await optimizer.update(options.lr ?? 0, 1);
      // Both sides round the same formula to f32; ten updates of up to 5e-2 leave a few units in the last place.
      for (const { name, buffer } of parameters) if (states[`after_${optimizer.step}`]) expectClose(await floats(engine, buffer), states[`after_${optimizer.step}`][name], 2e-6, `${name} after ${optimizer.step}`);
    }
    const averages = optimizer.averages();
    for (const { name } of parameters) expectClose(await floats(engine, averages.get(name)!), average[name], 2e-6, `average of ${name}`);
    optimizer.dispose();
  });
});

test('Adafactor keeps rows and columns of matrices, and the whole moment of vectors', async () => {
  const parameters = await parametersOf(engines.cpu, golden.initial, golden.shapes);
  const kinds = (optimizer: RuleOptimizer) => optimizer.state().map(({ name, shape }) => `${name} ${shape.join('x')}`);
  const plain = new Adafactor(engines.cpu, parameters);
  expect(kinds(plain)).toEqual(['matrix.row 1x5', 'matrix.col 1x7', 'tall.row 1x9', 'tall.col 1x2', 'vector.v 6', 'stack.row 2x3', 'stack.col 2x4']);
  const moments = new Adafactor(engines.cpu, parameters.slice(2, 3), { beta1: 0.9, averageDecay: 0.9 });
  expect(kinds(moments)).toEqual(['vector.v 6', 'vector.m 6', 'vector.average 6']);
  plain.dispose();
  moments.dispose();
});

test('the rate of the average makes it the bias-corrected one', () => {
  let mean = NaN;
  let [sum, weight] = [0, 0];
  for (let t = 1; t <= 40; t++) {
    const x = Math.sin(t);
    mean = t === 1 ? averageRate(0.9, 1) * x : mean + averageRate(0.9, t) * (x - mean);
    [sum, weight] = [0.9 * sum + 0.1 * x, 0.9 * weight + 0.1];
    expect(Math.abs(mean - sum / weight)).toBeLessThan(1e-12);
  }
  expect(averageRate(0.9, 1)).toBe(1);
  expect(averageRate(0, 7)).toBe(1);
});

describe('every optimiser', () => {
  const engine = engines.cpu;
  const makers = {
    AdamW: (parameters: TrainedParameter[]) => new AdamW(engine, parameters, { averageDecay: 0.5, maxNorm: 1 }),
    Adafactor: (parameters: TrainedParameter[]) => new Adafactor(engine, parameters, { averageDecay: 0.5, maxNorm: 1 }),
  };

  test.each(Object.entries(makers))('%s: a gradient that is not finite moves nothing, and the next update does', async (_, make) => {
    const { w, optimizer } = await single(engine, make);
    await giveGradients(optimizer, { w: [1, 2, 2] });
    await optimizer.update(0.1, 1);
    const kept = async () => [[...(await floats(engine, w))], ...(await Promise.all(optimizer.state().map(async ({ buffer }) => [...(await floats(engine, buffer))])))];
    const before = await kept();
    for (const bad of [NaN, Infinity]) {
      await giveGradients(optimizer, { w: [1, bad, 1] });
      await expect(optimizer.update(0.1, 1)).rejects.toMatchObject({ code: 'NUMERIC', field: 'gradient' });
    }
    expect(await kept()).toEqual(before);
    expect(optimizer.step).toBe(1);
    expect([...(await floats(engine, optimizer.slots[0].grad))]).toEqual([0, 0, 0]);
    await giveGradients(optimizer, { w: [1, 2, 2] });
    expect(await optimizer.update(0.1, 2)).toEqual({ norm: 1.5 });
    expect((await kept())[0]).not.toEqual(before[0]);
    optimizer.dispose();
  });

  test.each(Object.entries(makers))('%s: a run that continues from its state and parameters gives the same bits', async (_, make) => {
    const gradient = (step: number) => ({ w: [Math.sin(step), 1 / (step + 1), -2] });
    const run = async (optimizer: RuleOptimizer, from: number, to: number) => {
      for (let step = from; step < to; step++) {
        await giveGradients(optimizer, gradient(step));
        await optimizer.update(0.05, 3);
      }
    };
    const whole = await single(engine, make);
    await run(whole.optimizer, 0, 7);
    const first = await single(engine, make);
    await run(first.optimizer, 0, 4);
    const second = await single(engine, make);
    await engine.write(second.w, await engine.read(first.w));
    const saved = first.optimizer.state();
    for (const [i, { name, buffer }] of second.optimizer.state().entries()) {
      expect(name).toBe(saved[i].name);
      await engine.write(buffer, await engine.read(saved[i].buffer));
    }
    second.optimizer.resumeAt(4);
    await run(second.optimizer, 4, 7);
    expect(await floats(engine, second.w)).toEqual(await floats(engine, whole.w));
    for (const [i, { buffer }] of second.optimizer.state().entries()) expect(await floats(engine, buffer)).toEqual(await floats(engine, whole.optimizer.state()[i].buffer));
  });

  test('several accumulations are one update of their sum', async () => {
    const { w, optimizer } = await single(engine, makers.AdamW);
    const g = new Graph();
    optimizer.accumulate(g, [g.feed('x', 'f32', [3])]);
    const program = compile(engine, g, { fetches: {} });
    for (const x of [[1, 0, 4], [1, 3, 0]]) await program.run({ feeds: { x: Float32Array.from(x) } });
    expect([...(await floats(engine, optimizer.slots[0].grad))]).toEqual([2, 3, 4]);
    expect((await optimizer.update(0.1, 2)).norm).toBeCloseTo(Math.sqrt(29) / 2, 6);
    // First step of Adam: the learning rate against the sign.
    expectClose(await floats(engine, w), [0.9, 1.9, 2.9], 1e-6, 'w');
  });

  test('refuses what it cannot use, by name', async () => {
    const [w] = await parametersOf(engine, { w: [1, 2, 3] }, { w: [3] });
    const refused = (make: () => unknown, code: string, field: string) => expect(make).toThrow(expect.objectContaining({ code, field }));
    refused(() => new AdamW(engine, []), 'ARGUMENT_INVALID', 'parameters');
    refused(() => new AdamW(engine, [w, w]), 'ARGUMENT_INVALID', 'w');
    refused(() => new AdamW(engine, [{ ...w, buffer: engine.buffer('f32', 3, { frozen: true }) }]), 'ARGUMENT_INVALID', 'w');
    refused(() => new AdamW(engine, [{ ...w, master: w.buffer }]), 'ARGUMENT_INVALID', 'w');
    refused(() => new AdamW(engine, [{ ...w, lrScale: NaN }]), 'ARGUMENT_RANGE', 'w.lrScale');
    refused(() => new AdamW(engine, [w], { beta2: 1 }), 'ARGUMENT_RANGE', 'beta2');
    refused(() => new AdamW(engine, [w], { eps: -1 }), 'ARGUMENT_RANGE', 'eps');
    refused(() => new AdamW(engine, [w], { maxNorm: -1 }), 'ARGUMENT_RANGE', 'maxNorm');
    refused(() => new AdamW(engine, [w], { averageDecay: 1 }), 'ARGUMENT_RANGE', 'averageDecay');
    refused(() => new Adafactor(engine, [w], { eps1: 0 }), 'ARGUMENT_RANGE', 'eps1');
    refused(() => new Adafactor(engine, [w], { clipThreshold: 0 }), 'ARGUMENT_RANGE', 'clipThreshold');
    refused(() => new Adafactor(engine, [w], { decayRate: 0.1 }), 'ARGUMENT_RANGE', 'decayRate');
    refused(() => new Adafactor(engine, [w], { beta1: 1 }), 'ARGUMENT_RANGE', 'beta1');
    refused(() => new Adafactor(engine, [w], { warmupInit: true }), 'ARGUMENT_INVALID', 'warmupInit');
    const optimizer = new AdamW(engine, [w]);
    await expect(optimizer.update(NaN, 1)).rejects.toMatchObject({ code: 'ARGUMENT_RANGE', field: 'lr' });
    await expect(optimizer.update(0.1, 0)).rejects.toMatchObject({ code: 'ARGUMENT_RANGE', field: 'count' });
    refused(() => optimizer.resumeAt(-1), 'ARGUMENT_RANGE', 'step');
    expect([...(await floats(engine, w.buffer))]).toEqual([1, 2, 3]);
  });
});
