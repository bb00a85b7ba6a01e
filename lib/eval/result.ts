/** What an evaluation finds of one task under one kind of adapter. */
import type { HyperKind } from '../hyper/config.ts';
import { meanScores } from './scores.ts';
import type { Scores } from './scores.ts';
import { CONDITIONS } from './trial.ts';
import type { Condition } from './trial.ts';

export interface TaskResult {
  readonly kind: HyperKind;
  readonly group: string;
  readonly task: string;
  /** Queries, and the task whose examples were the wrong evidence. */
  readonly queries: number;
  readonly wrong?: string;
  /** Means over the repeats. */
  readonly conditions: Partial<Record<Condition, Scores>>;
  /** Every draw of shots, where there are several. */
  readonly repeats?: readonly Partial<Record<Condition, Scores>>[];
}

/** The mean of every condition that all of `parts` have. */
export function meanConditions(parts: readonly Partial<Record<Condition, Scores>>[]): Partial<Record<Condition, Scores>> {
  const shared = CONDITIONS.filter((condition) => parts.every((part) => part[condition]));
  return Object.fromEntries(shared.map((condition) => [condition, meanScores(parts.map((part) => part[condition]!))]));
}

/** Results of one name as one result. */
export function meanResult(results: readonly TaskResult[], task: string): TaskResult {
  const [{ kind, group }] = results;
  return { kind, group, task, queries: results.reduce((sum, { queries }) => sum + queries, 0), conditions: meanConditions(results.map(({ conditions }) => conditions)) };
}
