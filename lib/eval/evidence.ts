/**
 * Does the evidence matter? Exact match and answer likelihood of a frozen T5 alone, with the right examples, and with the
 * examples of another task of the same kind.
 */
import type { Adapter } from '../adapters/adapter.ts';
import { Random } from '../data/random.ts';
import { drawDistinct } from '../data/task.ts';
import type { Example, Task, TaskSource } from '../data/task.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import { bootstrapMean } from './bootstrap.ts';
import type { Interval } from './bootstrap.ts';

export interface TaskGroup {
  name: string;
  source: TaskSource;
}

export interface EvidenceOptions {
  kind: HyperKind;
  tasksPerGroup?: number;
  shots?: number;
  queries?: number;
  seed?: number;
  onTask?: (done: number, total: number) => void;
}

export type Condition = 'none' | 'right' | 'wrong';

export interface TaskResult {
  group: string;
  task: string;
  /** Share of exact answers, and mean log-likelihood of the right answer. */
  exact: Record<Condition, number>;
  logLikelihood: Record<Condition, number>;
}

/** Means over tasks; gains are right - wrong. */
export interface EvidenceSummary {
  name: string;
  tasks: number;
  exact: Record<Condition, number>;
  logLikelihood: Record<Condition, number>;
  exactGain: Interval;
  likelihoodGain: Interval;
}

const CONDITIONS: readonly Condition[] = ['none', 'right', 'wrong'];

/** Each task's examples and queries are drawn anew from the seed; tasks are paired in a ring within their group. */
export async function compareEvidence(model: HyperT5, groups: readonly TaskGroup[], options: EvidenceOptions): Promise<TaskResult[]> {
  const { kind, tasksPerGroup = 20, shots = 8, queries = 10, seed = 1, onTask } = options;
  const results: TaskResult[] = [];
  for (const { name, source } of groups) {
    const rng = Random.stream(seed, 'evidence', name);
    const tasks = distinctTasks(source, tasksPerGroup, rng);
    const drawn = tasks.map((task) => {
      const examples = drawDistinct(task, shots + queries, rng);
      const cut = Math.min(shots, examples.length - 1);
      return { evidence: examples.slice(0, cut), queries: examples.slice(cut) };
    });
    const adapters = await model.adaptAll(drawn.map(({ evidence }) => evidence), { kind });
    for (const [i, task] of tasks.entries()) {
      const other = adapters[(i + 1) % adapters.length];
      const rows: Record<Condition, Adapter | undefined> = { none: undefined, right: adapters[i], wrong: other };
      const result: TaskResult = { group: name, task: task.id, exact: { none: 0, right: 0, wrong: 0 }, logLikelihood: { none: 0, right: 0, wrong: 0 } };
      for (const condition of CONDITIONS) await measure(model, drawn[i].queries, rows[condition], condition, result);
      results.push(result);
      onTask?.(results.length, groups.length * tasksPerGroup);
    }
    for (const adapter of adapters) adapter.dispose();
  }
  return results;
}

/** Fills in one condition of a task's result. */
async function measure(model: HyperT5, queries: readonly Example[], adapter: Adapter | undefined, condition: Condition, result: TaskResult): Promise<void> {
  const inputs = queries.map(({ input }) => input);
  const answers = await model.generate(inputs, { adapter });
  const scores = await model.score(inputs, queries.map(({ output }) => [output]), { adapter });
  result.exact[condition] = queries.filter(({ output }, i) => normalize(answers[i]) === normalize(output)).length / queries.length;
  result.logLikelihood[condition] = scores.reduce((sum, { logLikelihoods }) => sum + logLikelihoods[0], 0) / queries.length;
}

/** Exact match ignores case and runs of white space. */
function normalize(text: string): string {
  return text.trim().replace(/\s+/g, ' ').toLowerCase();
}

function distinctTasks(source: TaskSource, count: number, rng: Random): Task[] {
  const tasks = new Map<string, Task>();
  for (let i = 0; i < 50 * count && tasks.size < count; i++) {
    const task = source.draw(rng);
    tasks.set(task.id, task);
  }
  return [...tasks.values()];
}

export function summarize(name: string, results: readonly TaskResult[]): EvidenceSummary {
  const mean = (f: (r: TaskResult) => number) => results.reduce((sum, r) => sum + f(r), 0) / results.length;
  const conditions = (f: (r: TaskResult) => Record<Condition, number>) => ({ none: mean((r) => f(r).none), right: mean((r) => f(r).right), wrong: mean((r) => f(r).wrong) });
  return {
    name, tasks: results.length, exact: conditions((r) => r.exact), logLikelihood: conditions((r) => r.logLikelihood),
    exactGain: bootstrapMean(results.map(({ exact }) => exact.right - exact.wrong)),
    likelihoodGain: bootstrapMean(results.map(({ logLikelihood }) => logLikelihood.right - logLikelihood.wrong)),
  };
}
