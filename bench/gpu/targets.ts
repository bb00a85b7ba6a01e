/** What speed is aimed at on a CUDA device: shares of a floor, and ratios to a peer on the same machine. */
import type { SizeName } from '../sizes.ts';
import type { Target } from '../targets.ts';

type OfSizes = Partial<Record<SizeName, readonly [must: number, aim: number]>>;

/** A target of several sizes; `#` in workload and figure is the size. */
function sizes(workload: string, figure: string, unit: Target['unit'], goals: OfSizes): Target[] {
  return Object.entries(goals).map(([size, [must, aim]]) => ({ workload: workload.replace('#', size), figure: figure.replace('#', size), unit, must, aim }));
}

export const TARGETS: readonly Target[] = [
  ...sizes('decode #, 1 row: share of the floor', 'decode.#.1.floor', '%', { xl: [60, 75], large: [40, 60], base: [25, 40], small: [15, 25] }),
  ...sizes('decode #, 1 row: against transformers eager', 'decode.#.1.eager', 'x', { large: [10, 16], base: [10, 16], small: [10, 16] }),
  ...sizes('decode #, 1 row: against a compiled static cache', 'decode.#.1.compiled', 'x', { large: [2, 3], base: [2, 3], small: [2, 3] }),
  ...sizes('decode #, 32 rows: share of the floor', 'decode.#.32.floor', '%', { xl: [55, 75], large: [55, 75], base: [55, 75], small: [55, 75] }),
  ...sizes('encode #, 8,192 tokens: share of the floor', 'encode.#.16.floor', '%', { xl: [55, 70], large: [55, 70], base: [45, 60] }),
  ...sizes('adapter generation #, 1,024 tokens: share of the floor', 'generate.#.floor', '%', { xl: [45, 65], large: [45, 65] }),
  { workload: 'adapter generation large, 1,024 tokens: against PyTorch eager', figure: 'generate.large.eager', unit: 'x', must: 4 },
  { workload: 'fused LoRA linear, 8,192 tokens: time of the plain product', figure: 'lora.plain', unit: 'x', small: true, must: 1.1, aim: 1.05 },
  { workload: 'fused LoRA linear, 8,192 tokens: against unfused', figure: 'lora.unfused', unit: 'x', must: 1.25, aim: 1.4 },
  { workload: 'decode base, 32 rows, a LoRA each: time of no LoRA', figure: 'decode.base.32.lora/none', unit: 'x', small: true, must: 1.12, aim: 1.07 },
  { workload: 'decode base, 32 rows, a LoRA each: time of one for all', figure: 'decode.base.32.lora/shared', unit: 'x', small: true, must: 1.05 },
  { workload: 'attention with bias and prefix: against SDPA, forward', figure: 'attention.sdpa', unit: 'x', must: 1.9, aim: 2.5 },
  { workload: 'attention with bias and prefix: against SDPA, backward', figure: 'attention backward.sdpa', unit: 'x', must: 1.2, aim: 1.8 },
  ...sizes('training step #: share of the floor', 'training.#.floor', '%', { large: [45, 55], base: [35, 45] }),
  { workload: 'training step base: against PyTorch', figure: 'training.base.eager', unit: 'x', must: 1.1, aim: 1.4 },
  { workload: 'share of JavaScript, decode base, 1 row', figure: 'decode.base.1.busy', unit: '%', small: true, must: 2, aim: 0.5 },
  { workload: "nodes of a decoder layer in a step's graph, 1 row", figure: 'kernels.none.1', unit: '', small: true, must: 8 },
  { workload: "nodes of a decoder layer in a step's graph, 1 row with LoRA", figure: 'kernels.lora.1', unit: '', small: true, must: 8 },
  { workload: "nodes of a decoder layer in a step's graph, 1 row with a prefix", figure: 'kernels.prefix.1', unit: '', small: true, must: 8 },
];
