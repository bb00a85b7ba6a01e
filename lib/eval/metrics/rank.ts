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

/** One row of a file that has a row per candidate, as P3's `score_eval` subsets have. */
export interface CandidateRow {
  readonly input: string;
  readonly candidate: string;
  readonly correct: boolean;
}

/** A question with its candidates; several of them may be right. */
export interface RankedQuestion {
  readonly input: string;
  readonly candidates: readonly string[];
  readonly correct: readonly boolean[];
}

/**
 * Rows of one input are one question. A candidate that occurs twice under an input counts once (WSC repeats whole questions), and is right
 * where any of its rows says so. Order of first occurrence.
 */
export function groupCandidates(rows: readonly CandidateRow[]): RankedQuestion[] {
  const questions = new Map<string, Map<string, boolean>>();
  for (const { input, candidate, correct } of rows) {
    const candidates = questions.get(input) ?? new Map<string, boolean>();
    questions.set(input, candidates.set(candidate, correct || candidates.get(candidate) === true));
  }
  return [...questions].map(([input, candidates]) => ({ input, candidates: [...candidates.keys()], correct: [...candidates.values()] }));
}

/** Share of questions whose likeliest candidate is right; `logLikelihoods[i]` goes with `correct[i]` of question i. NaN without questions. */
export function rankAccuracy(logLikelihoods: readonly (readonly number[])[], correct: readonly (readonly boolean[])[]): number {
  const right = logLikelihoods.filter((values, i) => correct[i][argmax(values)] === true).length;
  return right / logLikelihoods.length;
}
