// From what the suites of `npm run bench` measured to the table of targets.
import { expect, test } from 'vitest';
import type { Measured } from '../../bench/cpu/figures.ts';
import { figuresOf } from '../../bench/cpu/figures.ts';
import { chart, markdown } from '../../bench/cpu/report.ts';
import { TARGETS } from '../../bench/cpu/targets.ts';
import type { ModelRow } from '../../bench/model/run.ts';
import { judge } from '../../bench/targets.ts';

const peer = (ratio: number) => ({ milliseconds: 1, ratio });
const row = (change: Partial<ModelRow>): ModelRow => ({
  kind: 'decode', size: 'base', dtype: 'f32', rows: 1, length: 128, steps: 17, shortSteps: 1, adapter: 'none', device: 'cpu', milliseconds: 1, tokensPerSecond: 1, flops: 1, bytes: 1, gflops: 1,
  gigabytes: 15, busy: 0.004, peers: { eager: peer(2.5) }, ...change,
});
const gemm = (dtype: string, rows: number, share: number) => ({ bench: 'gemm', name: 'base wi', dtype, rows, value: 1, unit: 'GFLOP/s', share });
const read = (threads: number, value: number) => ({ bench: 'ceiling', name: 'read', dtype: 'f32', rows: threads, value, unit: 'GB/s' });

const COMPLETE: Measured = {
  gemm: [read(1, 20), gemm('f32', 1, 0.1), gemm('f32', 64, 0.9), gemm('f32', 512, 0.88), gemm('bf16', 64, 0.8), gemm('int8', 64, 0.95)],
  gemm2: [read(2, 30)],
  model: [
    ...(['small', 'base'] as const).flatMap((size) => (['f32', 'bf16'] as const).flatMap((dtype) => [
      row({ size, dtype }), row({ size, dtype, kind: 'encode', rows: 1, peers: { eager: peer(2) } }), row({ size, dtype, kind: 'encode', rows: 8, peers: { eager: peer(1.5) }, busy: 0.01 }),
    ])),
    ...(['small', 'base'] as const).map((size) => row({ size, dtype: 'int8', peers: { ctranslate2: peer(1.2) } })),
  ],
  model2: [row({ gigabytes: 24 }), row({ dtype: 'bf16', gigabytes: 12 })],
  generate: (['f32', 'bf16'] as const).map((dtype) => ({ kind: 'generate', size: 'base', dtype, device: 'cpu', flops: 1, bytes: 1, milliseconds: 1, peer: peer(3) })),
  hypertuning: [{ kind: 'prefix', lengths: 'public', jsShare: 0.01, peer: { ratio: 9, cpuRatio: 2.6 } }, { kind: 'lora', lengths: 'public', jsShare: 0.02, peer: { ratio: 9, cpuRatio: 3 } }],
  adapters: ['f32', 'bf16'].flatMap((dtype) => [1, 8, 32].flatMap((rows) => [
    { id: `lora-decode/base/${dtype}/${rows}/none`, value: 1, unit: 'ms' as const }, { id: `lora-decode/base/${dtype}/${rows}/distinct`, value: 1, unit: 'ms' as const, ratios: { 'no adapter': 0.8 } },
  ])),
  train: ['f32', 'bf16'].map((dtype) => ({ id: `train/small/${dtype}`, value: 1, unit: 'ms' as const, ratios: { PyTorch: 1.5 } })),
  start: [{ id: 'start/tiny/all', value: 100, unit: 'ms' }],
  threads: { busy: { figures: [{ what: 'one row, both CPUs free: two threads to one', value: 0.1 }, { what: 'one row, one CPU busy: two threads to one', value: 0.95 }, { what: '64 rows, one CPU busy: two threads to one', value: 1.1 }] } },
};

test('every target has its figure where everything was measured', () => {
  expect(judge(figuresOf(COMPLETE), TARGETS).filter(({ met }) => met === 'not measured').map(({ figure }) => figure)).toEqual([]);
});

test('the worst of several counts', () => {
  const figures = figuresOf(COMPLETE);
  expect(figures['gemm.f32.peak']).toBeCloseTo(88, 6); // a single row has the bandwidth as its ceiling
  expect(figures['encode.base.f32.PyTorch']).toBe(1.5);
  expect(figures['decode.base.f32.1.bandwidth']).toBeCloseTo(75, 6);
  expect(figures['decode2.base.f32.1.bandwidth']).toBeCloseTo(80, 6);
  expect(figures['lora.f32.8']).toBeCloseTo(1.25, 6);
  expect(figures['javascript']).toBeCloseTo(1, 6);
  expect(figures['javascript.training']).toBeCloseTo(2, 6);
  expect(figures['threads.busy']).toBe(0.95);
});

test('a suite that failed leaves its targets open', () => {
  expect(judge(figuresOf({}), TARGETS).every(({ met }) => met === 'not measured')).toBe(true);
});

test('chart and table show what is unmet', () => {
  const judged = judge({ 'gemm.f32.peak': 80, javascript: 1 }, TARGETS);
  const [gemm] = judged;
  expect(markdown([gemm])).toContain('| GEMM, 64 rows and more, f32: share of the peak | 80 % | 85 % | 93 % | **no** |');
  const svg = chart(judged, 'a < b');
  expect(svg).toContain('a &lt; b');
  const widths = [...svg.matchAll(/height="12" fill="(#\w+)"/g)].map(([, colour]) => colour);
  expect(widths).toEqual(['#d1242f', '#0a7ea4']); // unmet; met, not the aim
  expect(svg.match(/not measured/g)).toHaveLength(TARGETS.length - 2);
});
