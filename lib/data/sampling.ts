/** How often each task of a collection is drawn. Weights are relative; only their ratios matter. */
import { HypertuneError } from '../engine/errors.ts';
import type { Random } from './random.ts';
import type { Task, TaskSource } from './task.ts';

export interface SizedTask {
  /** Records of the task. */
  size: number;
  /** Templates of its data set, for T0's rule. */
  templates?: number;
}

function requirePositive(value: number, field: string): void {
  if (!(value > 0)) throw new HypertuneError('ARGUMENT_RANGE', `expected a positive number, got ${value}`, { field });
}

/**
 * Proportional to size, at most `cap`: examples-proportional mixing (Raffel et al., arXiv 1910.10683, section 3.5.2). A cap of
 * 30,000 is the later variant for P3; 100 is that of Super-NaturalInstructions (Wang et al., arXiv 2204.07705).
 */
export function proportionalWeights(tasks: readonly SizedTask[], cap = Infinity): number[] {
  requirePositive(cap, 'cap');
  return tasks.map(({ size }) => Math.min(size, cap));
}

/**
 * T0's rule (Sanh et al., arXiv 2110.08207, section 5): data sets above the cap count as cap / templates in each of their
 * templates; smaller ones count fully in each.
 */
export function t0Weights(tasks: readonly SizedTask[], cap = 500_000): number[] {
  requirePositive(cap, 'cap');
  return tasks.map(({ size, templates = 1 }) => {
    requirePositive(templates, 'templates');
    return size <= cap ? size : Math.floor(cap / templates);
  });
}

/** min(size, cap) ^ (1 / temperature): 1 is proportional, large temperatures approach equal weights (Raffel et al., section 3.5.2). */
export function temperatureWeights(tasks: readonly SizedTask[], temperature: number, cap = Infinity): number[] {
  requirePositive(temperature, 'temperature');
  return proportionalWeights(tasks, cap).map((rate) => rate ** (1 / temperature));
}

/** Sums of the first weights, for draws in O(log n). Throws ARGUMENT_RANGE unless all are finite, none negative, one positive. */
export function cumulative(weights: readonly number[], field = 'weights'): Float64Array {
  const sums = new Float64Array(weights.length);
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    if (!(weight >= 0 && weight < Infinity)) {
      throw new HypertuneError('ARGUMENT_RANGE', `expected finite weights that are not negative, got ${weight}`, { field });
    }
    sums[i] = sum += weight;
  }
  if (!(sum > 0 && sum < Infinity)) throw new HypertuneError('ARGUMENT_RANGE', `expected a positive, finite sum, got ${sum}`, { field });
  return sums;
}

/** The first index whose sum is greater than `target`; `target` is below the last sum. */
export function indexOfSum(sums: Float64Array, target: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] > target) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Draws tasks in proportion to their weights; O(log n) and one random number a draw. Throws ARGUMENT_INVALID, ARGUMENT_RANGE. */
export function weightedTasks(tasks: readonly Task[], weights: readonly number[]): TaskSource {
  if (tasks.length !== weights.length || tasks.length === 0) {
    throw new HypertuneError('ARGUMENT_INVALID', `expected a weight for each task, got ${weights.length} for ${tasks.length}`, { field: 'weights' });
  }
  const sums = cumulative(weights);
  const total = sums[sums.length - 1];
  return { draw: (rng: Random) => tasks[indexOfSum(sums, rng.float() * total)] };
}
