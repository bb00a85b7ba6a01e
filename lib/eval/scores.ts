/** From answers to the numbers of one task. */
import type { FewShotExample } from '../data/formats.ts';
import { exactMatch } from './metrics/exact-match.ts';
import type { AnswerForm } from './metrics/exact-match.ts';
import { macroF1, macroF1MetaICL } from './metrics/macro-f1.ts';
import { rougeL } from './metrics/rouge-l.ts';

/** What a model made of one query. */
export interface Answer {
  /** The generated text, where one was asked for. */
  text?: string;
  /** ln p of the first reference, end token included, and its tokens. */
  logLikelihood: number;
  tokens: number;
  /** The likeliest of the query's options. */
  ranked?: string;
}

/**
 * `exact`: share of exact matches. `logLikelihood`: mean ln p of the answer; `tokenLogLikelihood`: the same per token. `rank`: accuracy of the
 * likeliest option; `macroF1`: of the same, as scikit-learn's. `rougeL`: mean F. `metaicl`: MetaICL's macro-F1 where there is a closed set of
 * labels, else `rank`.
 */
export type MetricName = 'exact' | 'logLikelihood' | 'tokenLogLikelihood' | 'rank' | 'macroF1' | 'rougeL' | 'metaicl';
export type Scores = Partial<Record<MetricName, number>>;

/** The metrics that the answers allow; `answers[i]` is to `queries[i]`. Rank metrics need options at every query. */
export function scoreAnswers(answers: readonly Answer[], queries: readonly FewShotExample[], { labels, form }: { labels?: readonly string[]; form?: AnswerForm } = {}): Scores {
  const n = answers.length;
  const sum = (f: (answer: Answer, query: FewShotExample) => number) => answers.reduce((total, answer, i) => total + f(answer, queries[i]), 0);
  const scores: Scores = { logLikelihood: sum((a) => a.logLikelihood) / n, tokenLogLikelihood: sum((a) => a.logLikelihood) / sum((a) => a.tokens) };
  if (answers.every(({ text }) => text !== undefined)) {
    scores.exact = sum(({ text }, { outputs }) => exactMatch(text!, outputs, form)) / n;
    scores.rougeL = sum(({ text }, { outputs }) => rougeL(text!, outputs)) / n;
  }
  if (answers.every(({ ranked }) => ranked !== undefined)) {
    scores.rank = sum(({ ranked }, { outputs }) => (outputs.includes(ranked!) ? 1 : 0)) / n;
    scores.metaicl = scores.rank;
    if (labels) {
      const predicted = answers.map(({ ranked }) => ranked!);
      const gold = queries.map(({ output }) => output);
      scores.macroF1 = macroF1(predicted, gold);
      scores.metaicl = macroF1MetaICL(predicted, gold);
    }
  }
  return scores;
}

/** Mean of every metric that all of `scores` have. */
export function meanScores(scores: readonly Scores[]): Scores {
  const names = Object.keys(scores[0] ?? {}) as MetricName[];
  return Object.fromEntries(names.filter((name) => scores.every((s) => s[name] !== undefined)).map((name) => [name, scores.reduce((sum, s) => sum + s[name]!, 0) / scores.length]));
}
