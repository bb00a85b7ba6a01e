/** Task folders as an evaluation sees them. */
import { openTasks } from '../data/open-tasks.ts';
import type { TaskInfo } from '../data/task-index.ts';
import type { RecordProblem } from '../data/task-report.ts';
import { HypertuneError } from '../engine/errors.ts';
import { closedLabels, splitLines } from './task.ts';
import type { EvalTask, Skipped } from './task.ts';

/** Fields of the index and the values they may have: a task is kept where every field has one of its values. */
export type TaskFilter = ReadonlyMap<string, readonly string[]>;

export interface FolderOptions {
  /** Default: index.json in the folder or beside it. */
  index?: string;
  /** The field of the index by which results are grouped; default `kind`. */
  group?: string;
  filter?: TaskFilter;
  signal?: AbortSignal;
}

export interface FolderTasks {
  readonly tasks: EvalTask[];
  /** Tasks of which nothing can be asked. */
  readonly skipped: Skipped[];
  /** Records that could not be read, and the first of them. */
  readonly broken: number;
  readonly problems: readonly RecordProblem[];
}

/**
 * Tasks of a folder (or file, of any format that `openTasks` knows) that pass the filter, in its order. Throws what `openTasks` throws;
 * ARGUMENT_INVALID for a field that no task has, or where no task passes.
 */
export async function readEvalTasks(folder: string, { index, group = 'kind', filter = new Map(), signal }: FolderOptions = {}): Promise<FolderTasks> {
  const { tasks, report } = await openTasks(folder, { index, signal });
  for (const field of filter.keys()) {
    if (tasks.some(({ info }) => fieldOf(info, field) !== undefined)) continue;
    const known = [...new Set(tasks.flatMap(({ info }) => Object.keys(info)))].filter((name) => tasks.some(({ info }) => fieldOf(info, name) !== undefined));
    throw new HypertuneError('ARGUMENT_INVALID', `no task has a field '${field}'.`, { field: 'filter', remedy: `Fields are: ${known.join(', ')}.` });
  }
  const kept = tasks.filter(({ info }) => [...filter].every(([field, values]) => values.includes(fieldOf(info, field) ?? '')));
  if (kept.length === 0) throw new HypertuneError('ARGUMENT_INVALID', `none of ${tasks.length} tasks in ${folder} passes the filter.`, { field: 'filter' });
  const evaluated = kept.map(({ id, info, examples }): EvalTask => ({
    id, group: fieldOf(info, group) ?? 'tasks', cluster: info.cluster ?? id, definition: info.definition || undefined, positives: info.positive_examples ?? [],
    labels: closedLabels(examples), ...splitLines(examples),
  }));
  return { tasks: evaluated, skipped: report.leftOut.map((task) => ({ task, reason: 'fewer than two different inputs' })), broken: report.broken, problems: report.problems };
}

/** Texts, numbers and truth values as text. */
function fieldOf(info: TaskInfo, field: string): string | undefined {
  const value = (info as unknown as Record<string, unknown>)[field];
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}
