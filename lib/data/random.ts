/**
 * Seeded randomness of the data pipeline: xoshiro128** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
 * Generators", 2018) on 32-bit integers, so every platform draws the same numbers.
 *
 * A stream is named, not advanced: `Random.stream(seed, 'episodes', step)` gives the numbers of that step whether or not
 * the steps before it were drawn, which is what lets a resumed run see the same data.
 */
import { HypertuneError } from '../engine/errors.ts';

const LANE_SEEDS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]; // fractional digits of pi
const LANE_FACTORS = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f]; // odd, bits well spread

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The finaliser of MurmurHash3 (Appleby): every input bit reaches every output bit. */
function avalanche(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hashLane(key: string, lane: number): number {
  let h = LANE_SEEDS[lane];
  for (let i = 0; i < key.length; i++) h = rotateLeft(Math.imul(h ^ key.charCodeAt(i), LANE_FACTORS[lane]), 13);
  return avalanche(h ^ key.length);
}

/** 32-bit hash of a string: stable over versions and platforms, so splits may rest on it. */
export function stableHash(key: string): number {
  return hashLane(key, 0);
}

export class Random {
  private readonly state: Int32Array;

  private constructor(state: Int32Array) {
    this.state = state;
  }

  /**
   * The stream of this seed and these names. Streams of different names are independent.
   * Throws ARGUMENT_RANGE unless `seed` is a non-negative safe integer.
   */
  static stream(seed: number, ...names: readonly (string | number)[]): Random {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new HypertuneError('ARGUMENT_RANGE', `expected a non-negative integer, got ${seed}`, { field: 'seed' });
    }
    const key = [seed, ...names].join('\u0000');
    const state = Int32Array.from(LANE_SEEDS, (_, lane) => hashLane(key, lane));
    if (state.every((word) => word === 0)) state[0] = 1; // the one state xoshiro never leaves
    return new Random(state);
  }

  uint32(): number {
    const s = this.state;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** Uniform in [0, 1), a multiple of 2^-32. */
  float(): number {
    return this.uint32() / 4294967296;
  }

  /** Uniform in 0 .. n - 1, for n <= 2^32 (bias at most n / 2^32). */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 4294967296) {
      throw new HypertuneError('ARGUMENT_RANGE', `expected an integer in 1 .. 2^32, got ${n}`, { field: 'n' });
    }
    return Math.floor(this.float() * n);
  }

  /** Uniform in low .. high, both included. */
  between(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  choice<T>(items: readonly T[]): T {
    return items[this.int(items.length)];
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    return this.pick(items, items.length);
  }

  /** `count` different positions of `items`, in random order. */
  pick<T>(items: readonly T[], count: number): T[] {
    if (count > items.length) {
      throw new HypertuneError('ARGUMENT_RANGE', `cannot pick ${count} of ${items.length}`, { field: 'count' });
    }
    const moved = new Map<number, number>(); // the swaps of Fisher-Yates, without copying a long list for a few items
    return Array.from({ length: count }, (_, i) => {
      const j = this.between(i, items.length - 1);
      const at = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return items[at];
    });
  }

  /** An index drawn in proportion to `weights`; at least one weight must be positive, none negative. */
  weighted(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + (weight >= 0 ? weight : NaN), 0);
    if (!(total > 0) || total === Infinity) {
      throw new HypertuneError('ARGUMENT_RANGE', `expected finite weights of a positive sum, got [${weights.join(', ')}]`, {
        field: 'weights',
      });
    }
    let left = this.float() * total;
    let last = -1;
    for (let i = 0; i < weights.length; i++) {
      if (weights[i] === 0) continue;
      last = i;
      left -= weights[i];
      if (left < 0) return i;
    }
    return last; // rounding left a sliver beyond the last weight
  }
}

/** The stream of a microbatch; microbatch 0 has the step's own, so that accumulating more does not change it. */
export function batchStream(seed: number, name: string, step: number, micro: number): Random {
  return micro === 0 ? Random.stream(seed, name, step) : Random.stream(seed, name, step, 'micro', micro);
}
