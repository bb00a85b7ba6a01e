/**
 * The protocol of P3's held-out tasks (Sanh et al., arXiv 2110.08207; with shots: Phang et al., arXiv 2211.12485): rank classification, shots
 * drawn anew for every instance from the training split of the same data set and template, accuracy as the mean over templates, then over
 * data sets. A task is a template of a data set, named `<data set>__<template>`; the rounds of a data set (`_r1`, `_r2`) are one column.
 */
import { Random } from '../../data/random.ts';
import { counterparts, drawQueries, drawShots } from '../draws.ts';
import { meanResult } from '../result.ts';
import type { TaskResult } from '../result.ts';
import type { EvalTask } from '../task.ts';
import { whyNot } from '../task.ts';
import type { Trial } from '../trial.ts';
import { usable, withoutOptions } from './protocol.ts';
import type { Plan, Protocol, Settings } from './protocol.ts';

export const p3: Protocol = {
  name: 'p3',
  // Seeds are 1234 + index of the data set.
  defaults: { shots: 16, queries: Infinity, seed: 1234, adapterPer: 'instance' },
  conditions: ['none', 'static', 'wrong', 'right'],
  primary: 'rank',
  others: ['logLikelihood'],
  generates: false,
  plan,
  units: (results) => means(means(results, ({ task }) => dataset(task)), ({ group }) => group),
  unitName: 'data sets',
};

/** `p3/anli_r1__can_we_infer` -> `anli_r1`. */
function dataset(task: string): string {
  return task.slice(task.lastIndexOf('/') + 1).split('__')[0];
}

function column(task: string): string {
  return dataset(task).replace(/_r\d+$/, '');
}

function plan(all: readonly EvalTask[], { shots, queries, seed, adapterPer }: Settings): Plan {
  const named = all.map((task): EvalTask => ({ ...task, group: column(task.id), cluster: column(task.id) }));
  const { tasks, skipped } = usable(named, (task) => whyNot(task) ?? withoutOptions(task));
  const others = otherTasks(tasks, seed);
  const datasets = [...new Set(tasks.map(({ id }) => dataset(id)))].sort();
  const trials = tasks.flatMap((task) => {
    const drawOf = (from: EvalTask, i: number) => drawShots(from, shots, Random.stream(seed + datasets.indexOf(dataset(from.id)), 'shots', from.id, i));
    const other = others.get(task);
    const once = { right: drawOf(task, 0), wrong: other && drawOf(other, 0) };
    return drawQueries(task, queries, seed).map((query, i): Trial => {
      const evidence = adapterPer === 'task' ? once : { right: drawOf(task, i), wrong: other && drawOf(other, i) };
      return { task, repeat: 0, query, ...evidence };
    });
  });
  return { trials, skipped };
}

/** Counterparts of other columns: groups do not matter here. */
function otherTasks(tasks: readonly EvalTask[], seed: number): Map<EvalTask, EvalTask> {
  const original = new Map(tasks.map((task) => [{ ...task, group: '' }, task]));
  return new Map([...counterparts([...original.keys()], seed)].map(([task, other]) => [original.get(task)!, original.get(other)!]));
}

function means(results: readonly TaskResult[], name: (result: TaskResult) => string): TaskResult[] {
  return [...new Set(results.map(name))].map((key) => meanResult(results.filter((result) => name(result) === key), key));
}
