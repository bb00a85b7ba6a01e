/** What the quickstart measures: how a frozen T5 does on tasks alone, with an adapter of each task, and with another task's. */
import type { Adapter } from '../adapters/adapter.ts';
import type { QuickstartTask } from '../data/quickstart-tasks.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5, TextResult } from '../hyper/hypert5.ts';

export interface Answered {
  query: string;
  answer: string;
  expected: string;
}

export interface TaskResult {
  kind: HyperKind;
  task: QuickstartTask;
  /** The task whose adapter was taken for `correct.other`. */
  other: string;
  queries: number;
  /** Exact matches. */
  correct: { frozen: number; adapted: number; other: number };
  /** One call of `adapt`: tokenising, one forward pass of the hypermodel, the adapter in its bank. */
  adaptMs: number;
  /** Time of the adapted answers divided by their tokens; all queries are one batch. */
  msPerToken: number;
  answered: Answered[];
  adapter: Adapter;
}

/** One result per task, in order. Every program is planned before it is timed. */
export async function* measure(model: HyperT5, kind: HyperKind, tasks: readonly QuickstartTask[], signal?: AbortSignal): AsyncGenerator<TaskResult> {
  const adapters: Adapter[] = [];
  for (const { shots } of tasks) {
    (await model.adapt(shots, { kind, signal })).dispose();
    adapters.push(await model.adapt(shots, { kind, signal }));
  }
  for (const [i, task] of tasks.entries()) {
    const inputs = task.queries.map(({ input }) => input);
    const answer = (adapter?: Adapter) => model.generateDetailed(inputs, { adapter, signal });
    const other = otherTask(tasks, i);
    const frozen = await answer();
    const foreign = await answer(adapters[other]);
    const started = performance.now();
    const own = await answer(adapters[i]);
    const milliseconds = performance.now() - started;
    yield {
      kind, task, other: tasks[other].id, queries: inputs.length,
      correct: { frozen: matches(task, frozen), adapted: matches(task, own), other: matches(task, foreign) },
      adaptMs: adapters[i].source.report!.milliseconds,
      msPerToken: milliseconds / own.reduce((tokens, { ids }) => tokens + ids.length, 0),
      answered: own.map(({ text }, q) => ({ query: inputs[q], answer: text, expected: task.queries[q].output })),
      adapter: adapters[i],
    };
  }
}

/** The next task whose answers look alike: one word, or several. Where there is none, the next one. */
export function otherTask(tasks: readonly QuickstartTask[], i: number): number {
  const after = tasks.map((_, step) => (i + 1 + step) % tasks.length).filter((j) => j !== i);
  return after.find((j) => oneWord(tasks[j]) === oneWord(tasks[i])) ?? after[0] ?? i;
}

function oneWord({ shots }: QuickstartTask): boolean {
  return shots.every(({ output }) => !output.includes(' '));
}

function matches({ queries }: QuickstartTask, results: readonly TextResult[]): number {
  return results.filter(({ text }, i) => text.trim() === queries[i].output).length;
}
