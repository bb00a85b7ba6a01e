/** Intervals for means, and for means of paired differences. */
import { Random } from '../data/random.ts';
import { HypertuneError } from '../engine/errors.ts';

export interface Interval {
  mean: number;
  /** Percentiles 2.5 and 97.5 of the bootstrap distribution of the mean (Efron 1979). */
  low: number;
  high: number;
}

export interface BootstrapOptions {
  draws?: number;
  seed?: number;
}

/** Resamples units (tasks) with replacement. The resamples of n units are the same for every mean of n values. */
export class Bootstrap {
  private readonly draws: number;
  private readonly seed: number;
  private readonly samples = new Map<number, Uint32Array>();

  constructor({ draws = 10_000, seed = 1 }: BootstrapOptions = {}) {
    this.draws = draws;
    this.seed = seed;
  }

  /** Of one value per unit, weighted where `weights` is given. Throws ARGUMENT_INVALID without values or for one that is not finite. */
  mean(values: readonly number[], weights?: readonly number[]): Interval {
    if (values.length === 0 || !values.every(Number.isFinite)) throw new HypertuneError('ARGUMENT_INVALID', 'expected at least one value, all finite.', { field: 'values' });
    const n = values.length;
    const w = weights ?? new Array<number>(n).fill(1);
    const sample = this.sampleOf(n);
    const means = new Float64Array(this.draws);
    for (let d = 0; d < this.draws; d++) {
      let [sum, weight] = [0, 0];
      for (let i = d * n; i < (d + 1) * n; i++) {
        sum += w[sample[i]] * values[sample[i]];
        weight += w[sample[i]];
      }
      means[d] = sum / weight;
    }
    means.sort();
    const total = w.reduce((a, b) => a + b, 0);
    return { mean: values.reduce((a, x, i) => a + w[i] * x, 0) / total, low: means[Math.floor(0.025 * this.draws)], high: means[Math.ceil(0.975 * this.draws) - 1] };
  }

  /** [draws, n] positions. */
  private sampleOf(n: number): Uint32Array {
    let sample = this.samples.get(n);
    if (!sample) {
      const rng = Random.stream(this.seed, 'bootstrap');
      sample = Uint32Array.from({ length: this.draws * n }, () => rng.int(n));
      this.samples.set(n, sample);
    }
    return sample;
  }
}
