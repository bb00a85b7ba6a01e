/** What speed is aimed at on a CPU: shares of what the machine can do, and ratios to peers, all within one run. */
import type { Target } from '../targets.ts';

const both = (target: (dtype: 'f32' | 'bf16') => Target): Target[] => [target('f32'), target('bf16')];
const by = { f32: [2, 2.6], bf16: [3, 4] } as const;
const encode = { f32: [2, 2.4], bf16: [1.25, 1.35] } as const;
const train = { f32: [1.3, 1.8], bf16: [1.2, 1.4] } as const;

export const TARGETS: readonly Target[] = [
  ...(['f32', 'bf16', 'int8'] as const).map((dtype): Target => ({ workload: `GEMM, 64 rows and more, ${dtype}: share of the peak`, figure: `gemm.${dtype}.peak`, unit: '%', must: 85, aim: 93 })),
  ...(['small', 'base'] as const).flatMap((size) => both((dtype) => ({ workload: `decode ${size}, 1 row, ${dtype}: against PyTorch`, figure: `decode.${size}.${dtype}.1.PyTorch`, unit: 'x', must: by[dtype][0], aim: by[dtype][1] }))),
  ...both((dtype) => ({ workload: `decode base, 1 row, ${dtype}: share of the read bandwidth, 1 thread`, figure: `decode.base.${dtype}.1.bandwidth`, unit: '%', must: 65, aim: 85 })),
  ...both((dtype) => ({ workload: `decode base, 1 row, ${dtype}: share of the read bandwidth, 2 threads`, figure: `decode2.base.${dtype}.1.bandwidth`, unit: '%', must: 65, aim: 80 })),
  ...(['small', 'base'] as const).map((size): Target => ({ workload: `decode ${size}, 1 row, int8: against CTranslate2 int8`, figure: `decode.${size}.int8.1.CTranslate2`, unit: 'x', must: 1, aim: 1.3 })),
  ...(['small', 'base'] as const).flatMap((size) => both((dtype) => ({ workload: `encode ${size}, ${dtype}: against PyTorch, worst batch`, figure: `encode.${size}.${dtype}.PyTorch`, unit: 'x', must: encode[dtype][0], aim: encode[dtype][1] }))),
  ...[1, 8, 32].flatMap((rows) => both((dtype) => ({ workload: `decode base, ${rows} row${rows > 1 ? 's, a LoRA each' : ' with LoRA'}, ${dtype}: time of no LoRA`, figure: `lora.${dtype}.${rows}`, unit: 'x', small: true, must: 1.12, aim: 1.06 }))),
  ...both((dtype) => ({ workload: `adapt base, 1,024 tokens, ${dtype}: against PyTorch`, figure: `generate.base.${dtype}.PyTorch`, unit: 'x', must: encode[dtype][0], aim: encode[dtype][1] })),
  ...both((dtype) => ({ workload: `training step small, full rows, ${dtype}: against PyTorch`, figure: `train.small.${dtype}.PyTorch`, unit: 'x', must: train[dtype][0], aim: train[dtype][1] })),
  ...(['prefix', 'lora'] as const).map((kind): Target => ({ workload: `hypertuning step, ${kind}, lengths of public tasks: against padded PyTorch`, figure: `hypertuning.public.${kind}.PyTorch`, unit: 'x', must: 2.5, aim: 4 })),
  { workload: '2 threads, a core taken: speed of 1 thread', figure: 'threads.busy', unit: 'x', must: 0.9, aim: 1 },
  { workload: 'share of JavaScript, worst step of small and base', figure: 'javascript', unit: '%', small: true, must: 2, aim: 0.5 },
  { workload: 'share of JavaScript, training step, tiny', figure: 'javascript.training', unit: '%', small: true, must: 2, aim: 0.5 },
  { workload: '`import` to the first token, tiny', figure: 'start/tiny/all', unit: 'ms', small: true, must: 150, aim: 80 },
];
