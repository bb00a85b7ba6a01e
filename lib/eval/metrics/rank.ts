/**
 * Rank classification (T0, arXiv 2110.08207, section 6.2; without length normalisation): the answer is the candidate with the
 * largest sum of token log-probabilities, end token included.
 */

/** Position of the largest number, the first of equals; -1 of an empty list. */
export function argmax(values: readonly number[]): number {
  let best = values.length ? 0 : -1;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
