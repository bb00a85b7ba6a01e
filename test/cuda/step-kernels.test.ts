// A decoding step's graph on the emulated CUDA device: how many kernels a decoder layer takes, so that what is fused stays fused.
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { stepKernels } from '../../bench/gpu/step-kernels.ts';
import { EMULATED } from '../engine/cuda-support.ts';

beforeAll(() => {
  process.env.HYPERTUNE_CUDA_LIBRARY ??= path.resolve(EMULATED);
});

// Two attentions and six products; LoRA adds the coefficients of q and v, and of the second q.
const LAYER = { none: 8, lora: 10, prefix: 8 } as const;

test.each([
  ['a short answer', 12],
  ['an answer whose attention is split', 300],
])('kernels of a decoder layer: %s', async (_, answer) => {
  for (const { adapter, layer } of await stepKernels(['none', 'lora', 'prefix'], [1, 3], { size: 'tiny', source: 9, answer })) {
    expect(layer, `${adapter}: ${layer.join(' ')}`).toHaveLength(LAYER[adapter as keyof typeof LAYER]);
  }
}, 60_000);
