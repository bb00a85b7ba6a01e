// The parts of `npm run gpu-check` that need no device: its arguments, and the way from measurements to the table of targets.
import { expect, test } from 'vitest';
import type { Measured } from '../../bench/gpu/figures.ts';
import { ceilingsOf, figuresOf } from '../../bench/gpu/figures.ts';
import { TARGETS } from '../../bench/gpu/targets.ts';
import { comparisons } from '../../bench/ops/comparisons.ts';
import { judge, table } from '../../bench/targets.ts';
import { node } from '../scripts/support.ts';

const SIZES = ['small', 'base', 'large', 'xl'] as const;
const peers = { eager: { milliseconds: 12, ratio: 12 }, compiled: { milliseconds: 1.5, ratio: 1.5 } };
/** One second of a floor of half a second in a millisecond's clothes: every share of a floor is 50 %. */
const work = { flops: 0, bytes: 2e9, milliseconds: 1, device: 'cuda' };
const plain = { ...work, busy: 0.004, dtype: 'bf16', length: 512, steps: 129, shortSteps: 1, tokensPerSecond: 1, gflops: 1, gigabytes: 1, peers } as const;
const hyper = (kind: 'generate' | 'training') => SIZES.map((size) => ({ ...work, kind, size, dtype: 'bf16' as const, peer: { milliseconds: 2, ratio: 2 } }));

const COMPLETE: Measured = {
  ceilings: [
    { ceiling: 'device copy', value: 4000, unit: 'GB/s' }, { ceiling: 'read only', value: 5000, unit: 'GB/s' },
    { ceiling: 'bf16 GEMM 8 x 8 x 8', value: 10, unit: 'TFLOP/s' }, { ceiling: 'bf16 GEMM 9 x 9 x 9', value: 700, unit: 'TFLOP/s' },
  ],
  ops: comparisons(false).map(({ name, peers: list }) => ({ name, microseconds: 10, GBps: 1, TFLOPs: 1, peers: Object.fromEntries(Object.keys(list).map((peer) => [peer, { microseconds: 8, ratio: name === 'lora 2048' ? 0.8 : 1.3 }])) })),
  model: SIZES.flatMap((size) => [
    ...[1, 32].flatMap((rows) => (['none', 'lora', 'shared', 'prefix'] as const).map((adapter) => ({ ...plain, kind: 'decode' as const, size, rows, adapter, milliseconds: adapter === 'lora' ? 1.1 : 1 }))),
    { ...plain, kind: 'encode' as const, size, rows: 16, adapter: 'none' as const },
  ]),
  generate: hyper('generate'),
  training: hyper('training'),
  kernels: (['none', 'lora', 'prefix'] as const).map((adapter) => ({ adapter, rows: 1, total: 20, layer: Array.from({ length: 9 }, () => 'kernel') })),
};

test('every target has its figure where everything was measured', () => {
  const figures = figuresOf(COMPLETE);
  for (const { figure } of TARGETS) expect(figures[figure], figure).toBeGreaterThan(0);
  expect(judge(figures, TARGETS).map(({ met }) => met)).not.toContain('not measured');
});

test('figures', () => {
  expect(ceilingsOf(COMPLETE)).toEqual({ flops: 700e12, bandwidth: 4e12 });
  const figures = figuresOf(COMPLETE);
  expect(figures['decode.base.1.floor']).toBeCloseTo(50, 6);
  expect(figures['decode.base.1.eager']).toBe(12);
  expect(figures['decode.base.1.busy']).toBeCloseTo(0.4, 6);
  expect(figures['decode.base.32.lora/none']).toBeCloseTo(1.1, 6);
  expect(figures['lora.plain']).toBeCloseTo(1 / 0.8, 6); // the worst width
  expect(figures['lora.unfused']).toBe(0.8);
  expect(figures['kernels.lora.1']).toBe(9);
});

test('what is met', () => {
  const met = (figures: Record<string, number>, figure: string) => judge(figures, TARGETS).find((j) => j.figure === figure)!.met;
  expect([24, 25, 39, 40].map((value) => met({ 'decode.base.1.floor': value }, 'decode.base.1.floor'))).toEqual(['no', 'yes', 'yes', 'aim']);
  expect([1.2, 1.1, 1.05].map((value) => met({ 'lora.plain': value }, 'lora.plain'))).toEqual(['no', 'yes', 'aim']);
  expect(met({}, 'lora.plain')).toBe('not measured');
  expect(met({ 'lora.plain': NaN }, 'lora.plain')).toBe('not measured');
  const [head, first] = table(judge({ 'decode.xl.1.floor': 61.23 }, TARGETS)).split('\n');
  expect(head.trim().split(/ {2,}/)).toEqual(['value', 'must', 'aim', 'met']);
  expect(first).toMatch(/^decode xl, 1 row: share of the floor +61\.2 % +>= 60 % +>= 75 % +yes$/);
});

test('arguments', () => {
  const { status, stderr } = node('--import', 'tsx', 'scripts/gpu-check.mjs', '--emulated', '--only', 'memcheck');
  expect(status).toBe(1);
  expect(stderr).toContain('--only: there is no step memcheck on this device; there are build, cases, main-job, fragments, ops, model, generate, training, kernels.');
});
