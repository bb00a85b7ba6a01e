// Loss, every gradient and ten AdamW steps against PyTorch (test/goldens/parity).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pack } from '../../lib/data/packing.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import type { LoadedT5 } from '../../lib/files/load-t5.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { textObjective } from '../../lib/train/objectives.ts';
import type { TextRows } from '../../lib/train/objectives.ts';
import { modelFolder, openGolden, readGolden, unpad } from '../goldens/read.ts';

const FAMILIES = ['t5-v1.0', 't5-v1.1', 'flan', 'mt5', 't5-tied-gated'];
const CAPACITY = { rows: 8, encoderTokens: 512, decoderTokens: 512 };

async function batchOf(family: string, name: string): Promise<TextRows> {
  const golden = await openGolden(`parity/${family}.safetensors`);
  const rows = async (ids: string, lengths: string) => unpad(await golden.ints(`${name}.${ids}`), golden.shape(`${name}.${ids}`)[1], await golden.ints(`${name}.${lengths}`));
  const labels = pack(await rows('labels', 'decoder_lengths'));
  return { encoder: pack(await rows('input_ids', 'input_lengths')), decoder: pack(await rows('decoder_input_ids', 'decoder_lengths')), labels: labels.ids.map((id) => (id === -100 ? -1 : id)) };
}

const every = (t5: LoadedT5) => t5.parameters.all().map((p) => ({ ...p, lrScale: 1, weightDecay: 0.01 }));

function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return Math.sqrt(sum);
}

describe.each(['cpu', 'reference'] as const)('on %s', (device) => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.open({ device });
  });
  afterAll(() => engine.dispose());

  test.each(FAMILIES)('%s: loss and every gradient of one step', async (family) => {
    const { gradient } = readGolden(`parity/${family}.json`);
    const golden = await openGolden(`parity/${family}.safetensors`);
    const t5 = await loadT5(engine, modelFolder(family), { dtype: 'f32', frozen: false });
    const optimizer = new AdamW(engine, every(t5));
    const objective = textObjective(engine, t5.config, t5.parameters, optimizer, CAPACITY);
    const { loss, tokens } = await objective.accumulate(await batchOf(family, gradient.batch));
    expect(Math.abs(loss / tokens - gradient.loss) / gradient.loss).toBeLessThan(1e-5);
    expect(optimizer.slots.map(({ parameter }) => parameter.name).sort()).toEqual(([...gradient.parameters] as string[]).sort());
    for (const { parameter, grad } of optimizer.slots) {
      const expected = await golden.floats(`grad.${parameter.name}`);
      const found = await engine.read(grad);
      const difference = expected.map((x, i) => found[i] / tokens - x);
      // 1e-3 is the bar for the product; fp32 sums in another order stay two orders below it.
      expect(norm(difference) / norm(expected), parameter.name).toBeLessThan(1e-4);
    }
  });

  test.each(FAMILIES)('%s: losses of ten AdamW steps', async (family) => {
    const { adamw } = readGolden(`parity/${family}.json`);
    const t5 = await loadT5(engine, modelFolder(family), { dtype: 'f32', frozen: false });
    const optimizer = new AdamW(engine, every(t5), { beta1: 0.9, beta2: 0.999, eps: 1e-8, maxNorm: 1 });
    const objective = textObjective(engine, t5.config, t5.parameters, optimizer, CAPACITY);
    for (const [step, name] of (adamw.batches as string[]).entries()) {
      const { loss, tokens } = await objective.accumulate(await batchOf(family, name));
      expect(Math.abs(loss / tokens - adamw.losses[step]) / adamw.losses[step], `step ${step}`).toBeLessThan(1e-3);
      const { norm: size } = await optimizer.update(1e-3, tokens);
      expect(Math.abs(size - adamw.gradient_norms[step]) / adamw.gradient_norms[step], `norm of step ${step}`).toBeLessThan(1e-3);
    }
    const last = await objective.evaluate(await batchOf(family, adamw.batches[0]));
    expect(Math.abs(last.loss / last.tokens - adamw.losses[10]) / adamw.losses[10]).toBeLessThan(1e-3);
  });
});
