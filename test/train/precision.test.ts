// bf16 weights for the passes, fp32 masters for the updates.
import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { Adafactor } from '../../lib/train/adafactor.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import { textObjective } from '../../lib/train/objectives.ts';
import type { RuleOptimizer, TrainedParameter } from '../../lib/train/optimizer.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import type { Parameters } from '../../lib/t5/parameters.ts';
import { tinyConfig } from '../hyper/support.ts';

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

const makers = {
  AdamW: { lr: 3e-3, make: (parameters: TrainedParameter[]) => new AdamW(engine, parameters) },
  Adafactor: { lr: 1e-2, make: (parameters: TrainedParameter[]) => new Adafactor(engine, parameters) },
};

const read = async (buffer: TrainedParameter['buffer']) => Float32Array.from(await engine.read(buffer));

/** To the nearest bf16, ties to even. */
function rounded(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0];
  return new Float32Array(Uint32Array.of((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000).buffer)[0];
}

describe.each(Object.keys(makers) as (keyof typeof makers)[])('%s', (kind) => {
  const { lr, make } = makers[kind];

  test('twenty steps in bf16 follow those in fp32', async () => {
    const config = tinyConfig(60);
    const start = async (dtype: 'f32' | 'bf16') => {
      const parameters = allocateT5(engine, config, dtype, false);
      await initializeT5(parameters, config, Random.stream(3, 't5'));
      return parameters;
    };
    const losses = async (parameters: Parameters, masters?: Parameters) => {
      const trained = trainedParameters(parameters.all(), config, { rates: kind === 'Adafactor' ? 'equal' : 'adam' });
      const optimizer = make(trained.map((p) => (masters && p.buffer.dtype === 'bf16' ? { ...p, master: masters.get(p.name).buffer } : p)));
      const objective = textObjective(engine, config, parameters, optimizer, { rows: 2, encoderTokens: 16, decoderTokens: 16 });
      const ids = (n: number, seed: number) => Int32Array.from({ length: n }, (_, i) => 2 + ((i * i + seed * i) % 57));
      const found: number[] = [];
      for (let step = 0; step < 20; step++) {
        const labels = ids(12, step % 3);
        const { loss, tokens } = await objective.accumulate({
          encoder: { ids: ids(14, step % 3), offsets: Int32Array.of(0, 6, 14) }, decoder: { ids: Int32Array.of(0, ...labels.slice(0, 4), 0, ...labels.slice(5, 11)), offsets: Int32Array.of(0, 5, 12) }, labels,
        });
        found.push(loss / tokens);
        await optimizer.update(lr, tokens);
      }
      for (const { parameter, master } of optimizer.slots) {
        if (parameter.buffer.dtype === 'bf16') expect(await read(parameter.buffer), parameter.name).toEqual((await read(master)).map(rounded));
      }
      objective.dispose();
      return found;
    };
    const exact = await losses(await start('f32'));
    const half = await losses(await start('bf16'), await start('f32'));
    expect(exact[19]).toBeLessThan(0.8 * exact[0]);
    // Rounded weights are off by up to 2^-9 of themselves, and the runs part slowly.
    half.forEach((loss, step) => expect(Math.abs(loss - exact[step]) / exact[step], `step ${step}`).toBeLessThan(0.02));
    expect(half).not.toEqual(exact);
  });

  test('small steps add up in the master, where each alone is lost in bf16', async () => {
    const w = engine.buffer('bf16', 4, { name: 'w' });
    await engine.write(w, new Float32Array(4).fill(1));
    const optimizer = make([{ name: 'w', shape: [4], buffer: w, lrScale: 1, weightDecay: 0 }]);
    expect(optimizer.state().map(({ name }) => name)).toContain('w.master');
    const step = async () => {
      await engine.write(optimizer.slots[0].grad, Float32Array.of(0.5, 0.5, -0.5, 0.5));
      await optimizer.update(1e-3, 1);
    };
    await step();
    const master = await read(optimizer.slots[0].master);
    master.forEach((x, i) => expect(Math.abs(1 - x - (i === 2 ? -1e-3 : 1e-3))).toBeLessThan(1e-6));
    expect([...(await read(w))]).toEqual([1, 1, 1, 1]);
    for (let i = 1; i < 10; i++) await step();
    // 10 steps of 1e-3: the neighbours of 1 in bf16 are 2^-8 below and 2^-7 above.
    expect([...(await read(w))]).toEqual([1 - 3 / 256, 1 - 3 / 256, 1 + 1 / 128, 1 - 3 / 256]);
  });

  test('a given master is taken over exactly, and stays the caller\'s', async () => {
    const values = Float32Array.of(1.001, -0.3337, 2.7181, 1e-3);
    const [w, master] = [engine.buffer('bf16', 4, { name: 'w' }), engine.buffer('f32', 4)];
    await engine.write(master, values);
    const optimizer = make([{ name: 'w', shape: [2, 2], buffer: w, master, lrScale: 1, weightDecay: 0 }]);
    expect(await read(w)).toEqual(values.map(rounded));
    expect(await read(master)).toEqual(values);
    optimizer.dispose();
    expect(master.disposed).toBe(false);
    const own: RuleOptimizer = make([{ name: 'w', shape: [2, 2], buffer: w, lrScale: 1, weightDecay: 0 }]);
    expect(await read(own.slots[0].master)).toEqual(values.map(rounded));
    own.dispose();
    expect(own.slots[0].master.disposed).toBe(true);
    expect(w.disposed).toBe(false);
  });
});
