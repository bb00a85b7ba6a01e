/** The quickstart's results, for people and as JSON. */
import type { TaskResult } from './measure.ts';

/** Queries shown per task; the accuracies count all of them. */
const SHOWN = 3;
const COLUMNS: readonly [string, number][] = [['alone', 8], ['these', 8], ['other', 8], ['adapt ms', 10], ['ms/token', 10]];

export function tableHead(title: string): string {
  const names = COLUMNS.map(([name, width]) => name.padStart(width)).join('');
  return `\n${title}\n${''.padEnd(TASK_WIDTH)}${names}\n${'-'.repeat(TASK_WIDTH + names.length)}`;
}

const TASK_WIDTH = 48;

export function tableRows(result: TaskResult): string {
  const { task, correct, queries, adaptMs, msPerToken, answered } = result;
  const share = (n: number) => percent(n, queries);
  const shown = answered.slice(0, SHOWN).map(({ query, answer, expected }) => {
    const verdict = answer.trim() === expected ? '' : `   (expected: ${expected})`;
    return `    ${query}  ->  ${answer}${verdict}`;
  });
  return [row(task.description, [share(correct.frozen), share(correct.adapted), share(correct.other), adaptMs.toFixed(1), msPerToken.toFixed(2)]), `    [${task.novelty}]`, ...shown].join('\n');
}

export function tableFoot(results: readonly TaskResult[]): string {
  const total = (pick: (r: TaskResult) => number) => results.reduce((sum, r) => sum + pick(r), 0);
  const queries = total((r) => r.queries);
  const accuracies = [total((r) => r.correct.frozen), total((r) => r.correct.adapted), total((r) => r.correct.other)].map((n) => percent(n, queries));
  return row(`all ${results.length} tasks`, [...accuracies, (total((r) => r.adaptMs) / results.length).toFixed(1), (total((r) => r.msPerToken) / results.length).toFixed(2)]);
}

export const LEGEND = [
  'alone: the frozen T5 without an adapter. these: with the adapter of this task\'s examples. other: with the adapter of another task\'s examples.',
  'Accuracy is exact match. The examples hold none of the queries. ms/token: all queries of a task in one batch.',
].join('\n');

export function asJson({ kind, task, other, queries, correct, adaptMs, msPerToken, answered }: TaskResult): Record<string, unknown> {
  const accuracy = { frozen: correct.frozen / queries, adapted: correct.adapted / queries, other: correct.other / queries };
  return { kind, task: task.id, description: task.description, novelty: task.novelty, other, queries, accuracy, adaptMs, msPerToken, answered };
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(TASK_WIDTH) + cells.map((cell, i) => cell.padStart(COLUMNS[i][1])).join('');
}

function percent(n: number, of: number): string {
  return `${Math.round((100 * n) / of)} %`;
}
