import { expect, test } from 'vitest';
import { checkSchedule, learningRate } from '../../lib/train/schedule.ts';
import type { Schedule, ScheduleKind } from '../../lib/train/schedule.ts';
import { readGolden } from '../goldens/read.ts';

const { peak, warmup, steps, rates } = readGolden('training/optimizers.json').schedules as { peak: number; warmup: number; steps: number; rates: Record<ScheduleKind, number[]> };
const plain: Schedule = { peak, steps, warmup, decayFrom: 0, floor: 0 };

test.each(Object.keys(rates) as ScheduleKind[])('%s gives the rates of transformers, the warm-up one update earlier', (kind) => {
  // Past the end theirs rises again, as the cosine does.
  const length = kind === 'cosine' ? steps + 1 : rates[kind].length;
  const found = Array.from({ length }, (_, step) => learningRate({ ...plain, kind }, step));
  const expected = found.map((_, step) => rates[kind][step < warmup ? step + 1 : step]);
  found.forEach((rate, step) => expect(Math.abs(rate - expected[step]), `step ${step}`).toBeLessThan(1e-15));
});

test('cosine is the default, and its values are those that runs have used', () => {
  const schedule: Schedule = { peak: 4e-3, steps: 1000, warmup: 200, decayFrom: 0.3, floor: 0.05 };
  const at = (step: number) => learningRate(schedule, step);
  expect([0, 99, 199, 200, 300].map(at)).toEqual([2e-5, 2e-3, 4e-3, 4e-3, 4e-3]);
  // Halfway between peak and floor in the middle of the fall.
  expect(at(650)).toBeCloseTo(4e-3 * 0.525, 15);
  expect(at(1000)).toBeCloseTo(2e-4, 15);
  expect(at(650)).toBe(learningRate({ ...schedule, kind: 'cosine' }, 650));
});

test.each(['cosine', 'linear', 'inverse-sqrt'] as const)('%s waits for decayFrom, falls without a jump and stays above the floor', (kind) => {
  const schedule: Schedule = { kind, peak: 1, steps: 100, warmup: 10, decayFrom: 0.4, floor: 0.7 };
  const values = Array.from({ length: 160 }, (_, step) => learningRate(schedule, step));
  expect(values.slice(9, 41)).toEqual(new Array(32).fill(1));
  for (let step = 41; step < values.length; step++) {
    expect(values[step]).toBeLessThanOrEqual(values[step - 1]);
    expect(values[step - 1] - values[step]).toBeLessThan(0.02);
  }
  expect(values[41]).toBeLessThan(1);
  expect(values[159]).toBeCloseTo(0.7, 12);
});

test('without a warm-up the first update has the peak', () => {
  for (const kind of ['cosine', 'linear', 'constant', 'inverse-sqrt'] as const) {
    expect(learningRate({ ...plain, kind, warmup: 0 }, 0)).toBe(peak);
    for (let step = 0; step < 60; step++) expect(Number.isFinite(learningRate({ ...plain, kind, warmup: 0 }, step))).toBe(true);
  }
});

test('a schedule that gives no usable rates is refused by field', () => {
  checkSchedule({ ...plain, kind: 'linear' });
  const bad: [string, Partial<Record<keyof Schedule, unknown>>][] = [
    ['kind', { kind: 'step' }], ['kind', { kind: 'toString' }], ['peak', { peak: NaN }], ['peak', { peak: -1 }], ['steps', { steps: 0.5 }], ['warmup', { warmup: -1 }], ['decayFrom', { decayFrom: 1.1 }], ['floor', { floor: NaN }],
  ];
  for (const [field, change] of bad) expect(() => checkSchedule({ ...plain, ...change } as Schedule)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', field: `schedule.${field}` }));
});
