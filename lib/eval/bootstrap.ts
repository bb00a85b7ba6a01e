/** Intervals for the mean of paired differences. */
import { Random } from '../data/random.ts';

export interface Interval {
  mean: number;
  /** Percentiles 2.5 and 97.5 of the bootstrap distribution of the mean (Efron 1979). */
  low: number;
  high: number;
}

/** Paired bootstrap: `differences` are of one unit each (a task), drawn with replacement. Seeded. */
export function bootstrapMean(differences: readonly number[], { draws = 10_000, seed = 1 } = {}): Interval {
  const n = differences.length;
  const mean = differences.reduce((a, b) => a + b, 0) / n;
  const rng = Random.stream(seed, 'bootstrap');
  const means = Float64Array.from({ length: draws }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[rng.int(n)];
    return sum / n;
  }).sort();
  return { mean, low: means[Math.floor(0.025 * draws)], high: means[Math.ceil(0.975 * draws) - 1] };
}
