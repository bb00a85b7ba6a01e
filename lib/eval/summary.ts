/** From task results to means, gains and their intervals. */
import type { HyperKind } from '../hyper/config.ts';
import { Bootstrap } from './bootstrap.ts';
import type { Interval } from './bootstrap.ts';
import type { Protocol } from './protocols/protocol.ts';
import type { TaskResult } from './result.ts';
import type { MetricName, Scores } from './scores.ts';
import { CONDITIONS } from './trial.ts';
import type { Condition } from './trial.ts';

/** What `right` is compared with. */
export type Baseline = Exclude<Condition, 'right'>;
export const BASELINES: readonly Baseline[] = ['wrong', 'none', 'static', 'permuted', 'in-context'];

export type Intervals = Partial<Record<MetricName, Interval & { tasks: number }>>;

export interface GroupSummary {
  readonly kind: HyperKind;
  /** `all`: over every group, by the protocol's units. */
  readonly group: string;
  /** Units of the means: tasks, or in `all` what the protocol averages over. */
  readonly tasks: number;
  /** Means over the tasks that have the condition and the metric. */
  readonly conditions: Partial<Record<Condition, Intervals>>;
  /** Right minus the baseline, over the tasks that have both: paired bootstrap. */
  readonly gains: Partial<Record<Baseline, Intervals>>;
  /** Tasks where right beats none by the protocol's metric, among those where either reaches 5 %. */
  readonly wins?: { readonly tasks: number; readonly of: number };
  /** Mean over tasks of the worst draw of shots by the protocol's metric, under right. */
  readonly worst?: number;
}

export const ALL = 'all';
const LEAST_SCORE = 0.05;

/** One summary per kind and group, each kind's `all` last. */
export function summarize(results: readonly TaskResult[], protocol: Protocol, seed = 1): GroupSummary[] {
  const bootstrap = new Bootstrap({ seed });
  return [...new Set(results.map(({ kind }) => kind))].flatMap((kind) => {
    const own = results.filter((result) => result.kind === kind);
    const groups = [...new Set(own.map(({ group }) => group))];
    return [...groups.map((group) => summary(group, own.filter((r) => r.group === group), protocol, bootstrap)), summary(ALL, protocol.units(own), protocol, bootstrap)];
  });
}

function summary(group: string, results: readonly TaskResult[], protocol: Protocol, bootstrap: Bootstrap): GroupSummary {
  const weight = protocol.weight ?? (() => 1);
  const intervals = (of: (result: TaskResult) => Scores | undefined): Intervals => {
    const names = [...new Set(results.flatMap((r) => Object.keys(of(r) ?? {}) as MetricName[]))];
    return Object.fromEntries(names.map((name) => {
      const rows = results.filter((r) => of(r)?.[name] !== undefined);
      return [name, { ...bootstrap.mean(rows.map((r) => of(r)![name]!), rows.map(weight)), tasks: rows.length }];
    }));
  };
  const have = (condition: Condition) => results.some(({ conditions }) => conditions[condition]);
  const conditions = CONDITIONS.filter(have).map((condition) => [condition, intervals((r) => r.conditions[condition])] as const);
  const baselines = have('right') ? BASELINES.filter(have) : [];
  return {
    kind: results[0].kind, group, tasks: results.length, conditions: Object.fromEntries(conditions),
    gains: Object.fromEntries(baselines.map((b) => [b, intervals(({ conditions: c }) => c.right && c[b] && difference(c.right, c[b]))])),
    wins: wins(results, protocol.primary), worst: worst(results, protocol.primary),
  };
}

function difference(a: Scores, b: Scores): Scores {
  const names = (Object.keys(a) as MetricName[]).filter((name) => b[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, a[name]! - b[name]!]));
}

function wins(results: readonly TaskResult[], metric: MetricName): GroupSummary['wins'] {
  const pairs = results.map(({ conditions: { right, none } }) => [right?.[metric], none?.[metric]]).filter((pair): pair is [number, number] => pair.every((x) => x !== undefined));
  const counted = pairs.filter((pair) => Math.max(...pair) >= LEAST_SCORE);
  return pairs.length ? { tasks: counted.filter(([right, none]) => right > none).length, of: counted.length } : undefined;
}

function worst(results: readonly TaskResult[], metric: MetricName): number | undefined {
  const lowest = results.flatMap(({ repeats }) => (repeats?.every(({ right }) => right?.[metric] !== undefined) ? [Math.min(...repeats.map(({ right }) => right![metric]!))] : []));
  return lowest.length ? lowest.reduce((sum, x) => sum + x, 0) / lowest.length : undefined;
}
