import { describe, expect, test } from 'vitest';
import { Random, stableHash } from '../../lib/data/random.ts';

const take = (rng: Random, count: number) => Array.from({ length: count }, () => rng.uint32());

describe('Random', () => {
  test('a stream depends on its seed and every name, and on nothing else', () => {
    const numbers = take(Random.stream(7, 'a', 1), 8);
    expect(take(Random.stream(7, 'a', 1), 8)).toEqual(numbers);
    for (const other of [Random.stream(8, 'a', 1), Random.stream(7, 'b', 1), Random.stream(7, 'a', 2), Random.stream(7, 'a1')]) {
      expect(take(other, 8)).not.toEqual(numbers);
    }
  });

  test('names are not run together', () => {
    expect(take(Random.stream(1, 'ab', 'c'), 4)).not.toEqual(take(Random.stream(1, 'a', 'bc'), 4));
  });

  test('int is uniform', () => {
    const rng = Random.stream(1, 'uniform');
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 20000; i++) counts[rng.int(10)]++;
    // chi-square with 9 degrees of freedom: 27.9 is passed with probability 0.001, and the stream is fixed
    const chiSquare = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(27.9);
  });

  test('every permutation of a shuffle is about equally frequent', () => {
    const rng = Random.stream(2, 'shuffle');
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = rng.shuffle(['a', 'b', 'c']).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(130); // 4.5 standard deviations
  });

  test('pick takes different positions and leaves the list alone', () => {
    const items = [1, 2, 3, 4, 5];
    const picked = Random.stream(3, 'pick').pick(items, 4);
    expect(new Set(picked).size).toBe(4);
    expect(items).toEqual([1, 2, 3, 4, 5]);
    expect(() => Random.stream(3, 'pick').pick(items, 6)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE' }));
  });

  test('weighted follows the weights and never draws a zero', () => {
    const rng = Random.stream(4, 'weighted');
    const counts = [0, 0, 0];
    for (let i = 0; i < 8000; i++) counts[rng.weighted([3, 0, 1])]++;
    expect(counts[1]).toBe(0);
    expect(counts[0] / 8000).toBeCloseTo(0.75, 1);
    for (const weights of [[0, 0], [], [1, -1], [NaN], [Infinity]]) {
      expect(() => rng.weighted(weights)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE' }));
    }
  });

  test('a seed that is no natural number and an empty range are refused', () => {
    for (const seed of [-1, 1.5, NaN, 2 ** 60]) {
      expect(() => Random.stream(seed)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'seed' }));
    }
    expect(() => Random.stream(1).int(0)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE' }));
  });

  test('hashes are pinned: the splits of shipped weights rest on them', () => {
    expect([stableHash(''), stableHash('pair/odd+odd'), stableHash('constant/append/house')]).toEqual([327721211, 3605132390, 2356420874]);
    expect(take(Random.stream(1, 'pinned'), 3)).toEqual([3486132941, 4224675482, 1450516196]);
  });
});
