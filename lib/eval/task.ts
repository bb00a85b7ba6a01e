/** A task as an evaluation sees it: what evidence may show, and what is asked. */
import type { FewShotExample } from '../data/formats.ts';
import type { Example } from '../data/task.ts';

export interface EvalTask {
  readonly id: string;
  /** Results are averaged by group. */
  readonly group: string;
  /** Tasks of one cluster share a data set, relation or rule: none is wrong evidence for another. */
  readonly cluster: string;
  readonly definition?: string;
  /** Examples that belong to the definition (Super-NaturalInstructions). */
  readonly positives: readonly Example[];
  /** The closed set of answers, where all lines have the same. */
  readonly labels?: readonly string[];
  /** Where shots are drawn from, and where queries are; no input is in both. */
  readonly support: readonly FewShotExample[];
  readonly queries: readonly FewShotExample[];
}

/** A task that cannot be evaluated, and why. */
export interface Skipped {
  readonly task: string;
  readonly reason: string;
}

const SUPPORT_LINES = 32;

/**
 * Shots come from the first 32 lines of a task (the first half where it has fewer than 64), queries from the rest. Queries whose input is
 * among the first are left out.
 */
export function splitLines(lines: readonly FewShotExample[]): { support: FewShotExample[]; queries: FewShotExample[] } {
  const support = lines.slice(0, Math.min(SUPPORT_LINES, Math.floor(lines.length / 2)));
  const seen = new Set(support.map(({ input }) => input));
  return { support, queries: lines.slice(support.length).filter(({ input }) => !seen.has(input)) };
}

/** The options of all lines, where they are one set of at least two. */
export function closedLabels(lines: readonly FewShotExample[]): string[] | undefined {
  const key = ({ options }: FewShotExample) => JSON.stringify([...new Set(options)].sort());
  const [first] = lines;
  if (!first?.options || lines.some((line) => key(line) !== key(first))) return undefined;
  const labels = [...new Set(first.options)].sort();
  return labels.length > 1 ? labels : undefined;
}

/** Why a task cannot be evaluated; undefined where it can. */
export function whyNot({ support, queries }: Pick<EvalTask, 'support' | 'queries'>): string | undefined {
  if (support.length === 0) return 'fewer than two lines';
  if (queries.length === 0) return 'every input of its queries is among its shots';
  return undefined;
}
