/** An evaluation as a table and as JSON. */
import type { Evaluation } from '../eval/evaluate.ts';
import type { Protocol } from '../eval/protocols/protocol.ts';
import type { MetricName } from '../eval/scores.ts';
import { BASELINES } from '../eval/summary.ts';
import type { GroupSummary } from '../eval/summary.ts';
import type { Interval } from '../eval/bootstrap.ts';
import { CONDITIONS } from '../eval/trial.ts';

export const METRIC_NAMES: Readonly<Record<MetricName, string>> = {
  exact: 'exact match, %', logLikelihood: 'ln p of the answer', tokenLogLikelihood: 'ln p per token', rank: 'likeliest option right, %', macroF1: 'macro-F1, %', rougeL: 'ROUGE-L, %',
  metaicl: 'macro-F1 (classification) or accuracy, %',
};
/** Metrics of a table; the others are in the JSON. */
const IN_TABLES: readonly MetricName[] = ['exact', 'rank', 'metaicl', 'rougeL', 'logLikelihood'];

/** A table per kind of adapter and metric. */
export function evaluationTables({ kinds, summaries, skipped }: Evaluation, protocol: Protocol): string {
  const metrics = [protocol.primary, ...protocol.others.filter((name) => IN_TABLES.includes(name))];
  const tables = kinds.flatMap((kind) => metrics.flatMap((metric) => {
    const rows = summaries.filter((s) => s.kind === kind && Object.values(s.conditions).some((intervals) => intervals[metric]));
    return rows.length ? [table(`${kind}: ${METRIC_NAMES[metric]}`, rows, metric, metric === protocol.primary)] : [];
  }));
  const notes = [
    `Row all is the mean over ${protocol.unitName}. Gains are right minus the other condition [95 % paired bootstrap over tasks]. Wins: tasks where right beats none, of those where either reaches 5 %.`,
    ...(tables.some((text) => text.includes('*')) ? ['* over those tasks of the group that have the condition; the gain is over the same tasks.'] : []),
    ...(skipped.length ? [`Left out: ${skipped.length} ${skipped.length === 1 ? 'task' : 'tasks'}; first ${skipped[0].task}: ${skipped[0].reason}.`] : []),
  ];
  return [...tables, notes.join('\n')].join('\n\n');
}

function table(title: string, rows: readonly GroupSummary[], metric: MetricName, primary: boolean): string {
  const conditions = CONDITIONS.filter((c) => rows.some((row) => row.conditions[c]?.[metric]));
  const baselines = BASELINES.filter((b) => rows.some((row) => row.gains[b]?.[metric]));
  const [wins, worst] = [primary && rows.some((row) => row.wins), primary && rows.some((row) => row.worst !== undefined)];
  const number = numberOf(metric);
  const cells = rows.map((row) => {
    // Not every task of a group has every metric.
    const full = Math.max(...conditions.map((c) => row.conditions[c]?.[metric]?.tasks ?? 0));
    return [
      row.group, String(full),
      ...conditions.map((c) => {
        const interval = row.conditions[c]?.[metric];
        return interval ? `${number(interval.mean)}${interval.tasks < full ? '*' : ' '}` : '- ';
      }),
      ...baselines.map((b) => interval(row.gains[b]?.[metric], number)),
      ...(worst ? [row.worst === undefined ? '-' : number(row.worst)] : []),
      ...(wins ? [row.wins ? `${row.wins.tasks}/${row.wins.of}` : '-'] : []),
    ];
  });
  const head = ['group', 'tasks', ...conditions.map((c) => `${c} `), ...baselines.map((b) => `right-${b}`), ...(worst ? ['worst draw'] : []), ...(wins ? ['wins'] : [])];
  const lines = align([head, ...cells]);
  return [title, lines[0], '-'.repeat(lines[0].length), ...lines.slice(1)].join('\n');
}

function numberOf(metric: MetricName): (x: number) => string {
  return /[lL]ogLikelihood$/.test(metric) ? (x) => x.toFixed(2) : (x) => (100 * x).toFixed(1);
}

function interval(value: Interval | undefined, number: (x: number) => string): string {
  return value ? `${number(value.mean)} [${number(value.low)}, ${number(value.high)}]` : '-';
}

/** Columns of equal width; the first is flush left. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd());
}

/** Everything that was found, with what is needed to find it again; numbers of tasks are not rounded. */
export function evaluationJson(evaluation: Evaluation, about: { command: readonly string[]; version: string; model: Record<string, unknown>; tasks: number }): string {
  const { settings, ...rest } = evaluation;
  const queries = settings.queries === Infinity ? 'all' : settings.queries;
  return `${JSON.stringify({ ...about, node: process.versions.node, settings: { ...settings, queries }, ...rest }, null, 1)}\n`;
}
