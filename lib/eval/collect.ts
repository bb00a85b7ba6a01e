/** From the answers of all cells to one result per kind and task. */
import type { HyperKind } from '../hyper/config.ts';
import type { AnswerForm } from './metrics/exact-match.ts';
import { meanConditions } from './result.ts';
import type { TaskResult } from './result.ts';
import type { Cell } from './run.ts';
import { scoreAnswers } from './scores.ts';
import type { Answer, Scores } from './scores.ts';
import type { EvalTask } from './task.ts';
import { CONDITIONS } from './trial.ts';
import type { Condition, Trial } from './trial.ts';

/** The answers of one kind (undefined: without a hypermodel), condition and repeat. */
interface Series {
  readonly kind: HyperKind | undefined;
  readonly condition: Condition;
  readonly repeat: number;
  readonly trials: Trial[];
  readonly answers: Answer[];
}

/** `answers[i]` is to `cells[i]`. Kind by kind, tasks in the order of their cells. */
export function collect(cells: readonly Cell<unknown>[], answers: readonly Answer[], kinds: readonly HyperKind[], form?: AnswerForm): TaskResult[] {
  const byTask = new Map<EvalTask, Map<string, Series>>();
  cells.forEach(({ trial, condition, kind }, i) => {
    const series = byTask.get(trial.task) ?? new Map<string, Series>();
    byTask.set(trial.task, series);
    const key = `${kind} ${condition} ${trial.repeat}`;
    const one = series.get(key) ?? { kind, condition, repeat: trial.repeat, trials: [], answers: [] };
    series.set(key, one);
    one.trials.push(trial);
    one.answers.push(answers[i]);
  });
  return kinds.flatMap((kind) => [...byTask].map(([task, series]) => resultOf(task, kind, [...series.values()].filter((one) => one.kind === kind || one.kind === undefined), form)));
}

function resultOf(task: EvalTask, kind: HyperKind, series: readonly Series[], form: AnswerForm | undefined): TaskResult {
  const scored = series.map((one) => ({ ...one, scores: scoreAnswers(one.answers, one.trials.map(({ query }) => query), { labels: task.labels, form }) }));
  const repeats = [...new Set(series.map(({ repeat }) => repeat))].map((repeat): Partial<Record<Condition, Scores>> => {
    // What does not depend on the shots was computed once, for repeat 0.
    const of = (condition: Condition) => scored.find((one) => one.condition === condition && one.repeat === repeat) ?? scored.find((one) => one.condition === condition);
    return Object.fromEntries(CONDITIONS.flatMap((condition) => (of(condition) ? [[condition, of(condition)!.scores]] : [])));
  });
  const trials = series.flatMap((one) => one.trials);
  return {
    kind, group: task.group, task: task.id, queries: new Set(trials.map(({ query }) => query)).size, wrong: trials.find(({ wrong }) => wrong)?.wrong?.task,
    conditions: meanConditions(repeats), ...(repeats.length > 1 && { repeats }),
  };
}
