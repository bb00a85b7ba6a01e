/** An evaluation protocol: which trials there are, what is measured, and over what the overall figure is a mean. */
import type { TaskResult } from '../result.ts';
import type { MetricName } from '../scores.ts';
import type { EvalTask, Skipped } from '../task.ts';
import type { Condition, Trial } from '../trial.ts';

export interface Settings {
  shots: number;
  /** Most queries per task. */
  queries: number;
  seed: number;
  /** Whether a task's queries share one draw of shots, and so one adapter, or have one each. */
  adapterPer: 'task' | 'instance';
}

export interface Plan {
  /** Trials of one task are neighbours. */
  trials: Trial[];
  skipped: Skipped[];
}

export interface Protocol {
  readonly name: string;
  readonly defaults: Settings;
  readonly conditions: readonly Condition[];
  /** The metric that tables and charts show first, and those shown after it. */
  readonly primary: MetricName;
  readonly others: readonly MetricName[];
  readonly generates: boolean;
  readonly maxNewTokens?: number;
  plan(tasks: readonly EvalTask[], settings: Settings): Plan;
  /** The units of the overall figure, of results of one kind. */
  units(results: readonly TaskResult[]): readonly TaskResult[];
  /** What they are. */
  readonly unitName: string;
  /** The weight of a unit; default 1. */
  weight?(unit: TaskResult): number;
}

/** Splits off the tasks for which `reason` has an answer. */
export function usable(tasks: readonly EvalTask[], reason: (task: EvalTask) => string | undefined): { tasks: EvalTask[]; skipped: Skipped[] } {
  const skipped: Skipped[] = [];
  const kept = tasks.filter((task) => {
    const why = reason(task);
    if (why !== undefined) skipped.push({ task: task.id, reason: why });
    return why === undefined;
  });
  return { tasks: kept, skipped };
}

export function withoutOptions({ queries }: EvalTask): string | undefined {
  return queries.some(({ options }) => !options?.length) ? 'no options to rank' : undefined;
}
