// Ten AdamW steps on LoRA, prefix and prompt parameters against PEFT and PyTorch (test/goldens/tune).
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addToBank } from '../../lib/adapters/adapter.ts';
import { AdapterBank } from '../../lib/adapters/bank.ts';
import { pack, shiftRight } from '../../lib/data/packing.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import { readAdapterFolder } from '../../lib/files/peft.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { statesObjective } from '../../lib/train/objectives.ts';
import type { TextRows } from '../../lib/train/objectives.ts';
import { TrainableStates } from '../../lib/train/tune-states.ts';
import { GOLDENS, readGolden } from '../goldens/read.ts';

const CASES = ['lora-qv', 'lora-ragged', 'prefix-ln3', 'prompt'];

/** A batch of the golden; `prompt` goes in front of every input. */
function rowsOf({ input_ids, labels }: { input_ids: number[][]; labels: number[][] }, prompt: Int32Array, startId: number): TextRows {
  const answers = pack(labels.map((ids) => Int32Array.from(ids)));
  return { encoder: pack(input_ids.map((ids) => Int32Array.from([...prompt, ...ids]))), decoder: shiftRight(answers, startId), labels: answers.ids };
}

describe.each(['cpu', 'reference'] as const)('on %s', (device) => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.open({ device });
  });
  afterAll(() => engine.dispose());

  test.each(CASES)('%s: losses and gradient norms of ten steps', async (name) => {
    const { adamw, cases } = readGolden('tune/losses.json');
    const { adapter: folder, base, learning_rate, order, batches, losses, gradient_norms } = cases[name];
    const t5 = await loadT5(engine, path.join(GOLDENS, base), { dtype: 'f32' });
    const bank = new AdapterBank(engine, t5.config);
    const adapter = await addToBank(bank, await readAdapterFolder(path.join(GOLDENS, folder), t5.config), { origin: 'loaded' });
    const states = await TrainableStates.of(bank, adapter.acquire(bank));
    const [beta1, beta2] = adamw.betas;
    const optimizer = new AdamW(engine, states.parameters.map((p) => ({ ...p, lrScale: 1, weightDecay: adamw.weight_decay })), { beta1, beta2, eps: adamw.epsilon, maxNorm: adamw.clip_global_norm });
    const objective = statesObjective(engine, t5.config, t5.parameters, states, optimizer, { rows: 8, encoderTokens: 256, decoderTokens: 256 });
    const batch = (name: string) => rowsOf(batches[name], states.promptIds, t5.config.decoderStartTokenId);
    for (const [step, name] of (order as string[]).entries()) {
      const { loss, tokens } = await objective.accumulate(batch(name));
      // 1e-3 is the bar for the product: AdamW divides by the root of the second moment, which lifts rounding of small gradients.
      expect(Math.abs(loss / tokens - losses[step]) / losses[step], `loss of step ${step}`).toBeLessThan(1e-3);
      const { norm } = await optimizer.update(learning_rate, tokens);
      expect(Math.abs(norm - gradient_norms[step]) / gradient_norms[step], `norm of step ${step}`).toBeLessThan(1e-3);
    }
    const last = await objective.evaluate(batch(order[0]));
    expect(Math.abs(last.loss / last.tokens - losses[10]) / losses[10]).toBeLessThan(1e-3);
  });
});
