// Floors against figures that were worked out apart from this code, for an H200 in bf16, to the digits given.
import { expect, test } from 'vitest';
import { H200, adamwWork, decodeWork, encodeWork, floorOf, generateWork, trainingFlops } from '../../bench/floors.ts';
import type { Work } from '../../bench/floors.ts';
import { configOf } from '../../bench/sizes.ts';
import type { SizeName } from '../../bench/sizes.ts';

const SIZES: SizeName[] = ['small', 'base', 'large', 'xl'];
const microseconds = (work: Work) => floorOf(work, H200) * 1e6;
/** Half a unit of the last digit, at least. */
const near = (value: number, want: number, part: number) => expect(Math.abs(value / want - 1), `${value}, not ${want}`).toBeLessThan(part);
const eachSize = (want: readonly number[], value: (size: SizeName) => number, part: number) => SIZES.forEach((size, i) => near(value(size), want[i], part));

test('adapter generation, 1024 tokens', () => {
  for (const [rank, gigaflops, floor] of [[16, [59, 249, 884, 3157], [75, 320, 1120, 4000]], [128, [63, 262, 929, 3337], [NaN, 330, 1180, 4200]]] as const) {
    const work = (size: SizeName) => generateWork(configOf(size), { length: 1024, rank }, 2);
    eachSize(gigaflops, (size) => work(size).flops / 1e9, 0.01);
    SIZES.forEach((size, i) => floor[i] && near(microseconds(work(size)), floor[i], 0.016));
  }
});

test.each([
  [1, 64, [9, 40, 143, 538], 0.03],
  [1, 512, [29, 122, 430, 1570], 0.017],
  [32, 512, [910, 3900, 13800, 50000], 0.006],
] as const)('encoding %i x %i', (rows, length, want, part) => {
  eachSize(want, (size) => microseconds(encodeWork(configOf(size), { rows, length }, 2)), part);
});

test.each([
  [1, [20, 63, 196, 691], [0.8, 0.7, 0.6, 0.3]],
  [8, [32, 100, 296, 891], [4, 3, 3, 2]],
  [32, [76, 229, 639, 1576], [7, 6, 6, 5]],
] as const)('a decoding step of %i rows, each with a LoRA of rank 16', (rows, want, shares) => {
  const work = (size: SizeName, rank: number) => decodeWork(configOf(size), { rows, length: 512, step: 64, rank }, 2);
  eachSize(want, (size) => microseconds(work(size, 16)), 0.02);
  SIZES.forEach((size, i) => expect(Math.abs(100 * (1 - work(size, 0).bytes / work(size, 16).bytes) - shares[i])).toBeLessThan(0.6));
});

test('a feed-forward layer without a gate has two matrices', () => {
  const { flops, bytes } = encodeWork(configOf('t5-small'), { rows: 1, length: 1 }, 4); // 6 layers of 4 x 512 x 512 and 2 x 512 x 2048, and one score of 512
  expect([flops, bytes]).toEqual([6 * (2 * 3145728 + 4 * 512), 4 * 6 * 3145728]);
});

test('a training step, and AdamW alone', () => {
  eachSize([4.0, 16.5, 58, 209], (size) => trainingFlops(configOf(size), { rows: 16, evidence: 1024, length: 512, answer: 128, rank: 16 }) / 1e12, 0.011);
  [44.1e6, 198.1e6, 717e6, 2718e6].forEach((parameters, i) => near(microseconds(adamwWork(parameters)), [290, 1300, 4700, 17700][i], 0.02));
});
