/** Encoder states and logits against transformers', on packed rows of different lengths. */
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { readGolden } from '../goldens/read.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import type { ParityBatch } from './support.ts';
import { FAMILIES, openModel, packed, parityBatch, relativeError, rmsError } from './support.ts';

// Single precision on both sides, other orders of summation.
const FP32 = 1e-4;
// bf16 has 8 bits of mantissa; the goldens' own bf16 runs are off by 1e-2 to 2e-2.
const BF16 = 3e-2;
// int8 rounds weights and activations to 1/254 of the largest of their row; seen: 1.5e-2 to 5.2e-2, about four times bf16.
const INT8 = 8e-2;

const engines = new Map<DeviceName, Engine>();
const engineOf = (device: DeviceName) => engines.get(device) ?? engines.set(device, Engine.open({ device })).get(device)!;
afterAll(() => Promise.all([...engines.values()].map((engine) => engine.dispose())));

async function outputs(device: DeviceName, name: string, { inputs, decoderIds }: ParityBatch, dtype: WeightType) {
  await using model = await openModel(engineOf(device), name, dtype);
  return { states: (await model.decoder.encode(inputs)).values, logits: (await model.decoder.logits(inputs, decoderIds)).values };
}

describe.each(FAMILIES)('%s', (family) => {
  const batches = Object.keys(readGolden(`parity/${family}.json`).batches);

  describe.each(batches)('batch %s', (name) => {
    test.each(['cpu', 'reference'] as const)('fp32 on %s', async (device) => {
      const want = await parityBatch(family, name);
      const got = await outputs(device, family, want, 'f32');
      expect(relativeError(got.states, want.states)).toBeLessThanOrEqual(FP32);
      expect(relativeError(got.logits, want.logits)).toBeLessThanOrEqual(FP32);
    });

    test.each(['cpu', 'reference'] as const)('int8 weights on %s', async (device) => {
      const want = await parityBatch(family, name);
      const got = await outputs(device, family, want, 'int8');
      for (const key of ['states', 'logits'] as const) {
        expect(relativeError(got[key], want[key])).toBeLessThanOrEqual(INT8);
        expect(relativeError(got[key], want[key])).toBeGreaterThan(FP32);
      }
    });

    // By the largest error and by the mean one.
    test('bf16 weights, no further off than transformers in bf16', async () => {
      const want = await parityBatch(family, name);
      const got = await outputs('cpu', family, want, 'bf16');
      for (const key of ['states', 'logits'] as const) {
        const exact = packed(want[key]);
        const theirs = packed(want.bf16![key]);
        const largest = (x: ArrayLike<number>) => Math.max(...Array.from(x, (v, i) => Math.abs(v - exact[i])));
        expect(relativeError(got[key], want[key])).toBeLessThanOrEqual(BF16);
        expect(largest(got[key])).toBeLessThanOrEqual(largest(theirs));
        expect(rmsError(got[key], exact)).toBeLessThanOrEqual(rmsError(theirs, exact));
      }
    });
  });
});

// What the rounded weights give in single precision.
test.each(['t5-v1.1-sharded', 'flan-bf16', 'mt5-fp16'])('stored as %s', async (variant) => {
  const want = await parityBatch(variant, 'short');
  const got = await outputs('cpu', variant, want, 'f32');
  expect(relativeError(got.states, want.states)).toBeLessThanOrEqual(FP32);
  expect(relativeError(got.logits, want.logits)).toBeLessThanOrEqual(FP32);
});
