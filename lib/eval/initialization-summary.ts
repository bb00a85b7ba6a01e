/** From runs to what the starts differ in. Units are tasks: a task's value is the mean over its seeds. */
import { Bootstrap } from './bootstrap.ts';
import type { Interval } from './bootstrap.ts';
import { STARTS } from './initialization.ts';
import type { Measured, Start, StartRun, StartSettings } from './initialization.ts';

export type MeasureName = keyof Measured;
export const MEASURES: readonly MeasureName[] = ['exact', 'logLikelihood'];

/** Of one measure from one start. */
export interface Progress {
  /** At step 0, at the last step, and the mean over the steps between (area under the curve, trapezoid rule). */
  zero: Interval;
  end: Interval;
  area: Interval;
  /** Mean over tasks at each step of `at`. */
  curve: Interval[];
  /**
   * Steps to 95 % of the way to the best: from 0 (accuracy) or the task's lowest step-0 value (likelihood) to the best final
   * value that any start reaches on the task. Tasks that never get there are not in the median.
   */
  stepsTo95: { median: number | null; reached: number; tasks: number };
}

export interface StartSummary {
  start: Start;
  /** The rate of the largest mean exact match at the end, then of the largest likelihood; the same for all tasks. */
  rate: number;
  measures: Record<MeasureName, Progress>;
  /** Means over all rates. */
  overRates: Record<MeasureName, { end: number; area: number }>;
  diverged: number;
}

/** `a` minus `b`, paired by task. */
export interface StartDifference {
  a: Start;
  b: Start;
  measures: Record<MeasureName, { zero: Interval; end: Interval; area: Interval }>;
}

export interface StartReport {
  tasks: string[];
  starts: StartSummary[];
  differences: StartDifference[];
}

/** A task's curve from one start at one rate, averaged over seeds. */
type Curves = Map<string, Measured>;

/** Counts tasks whose runs of all starts and seeds are there. */
export function summarizeStarts(runs: readonly StartRun[], settings: StartSettings): StartReport {
  const tasks = [...new Set(runs.map(({ task }) => task))].filter((task) => runs.filter((run) => run.task === task).length === STARTS.length * settings.seeds);
  const kept = runs.filter(({ task }) => tasks.includes(task));
  if (tasks.length === 0) return { tasks, starts: [], differences: [] };
  const bootstrap = new Bootstrap({ seed: settings.seed + 1 });
  const best = new Map(STARTS.map((start) => [start, bestRate(kept, start, tasks, settings)]));
  const curves = new Map(STARTS.map((start) => [start, byTask(kept, start, tasks, best.get(start)!)]));
  const value = (start: Start, name: MeasureName, of: (values: readonly number[]) => number) => tasks.map((task) => of(curves.get(start)!.get(task)![name]));
  const last = (values: readonly number[]) => values[values.length - 1];
  const area = (values: readonly number[]) => meanOverSteps(values, settings.at);
  const first = (values: readonly number[]) => values[0];
  const starts = STARTS.map((start): StartSummary => ({
    start, rate: settings.rates[best.get(start)!],
    measures: forMeasures((name) => ({
      zero: bootstrap.mean(value(start, name, first)), end: bootstrap.mean(value(start, name, last)), area: bootstrap.mean(value(start, name, area)),
      curve: settings.at.map((_, i) => bootstrap.mean(value(start, name, (values) => values[i]))),
      stepsTo95: stepsTo95(tasks, curves, start, name, settings.at),
    })),
    overRates: forMeasures((name) => {
      const all = settings.rates.flatMap((_, rate) => [...byTask(kept, start, tasks, rate).values()].map((curve) => curve[name]));
      return { end: mean(all.map(last)), area: mean(all.map(area)) };
    }),
    diverged: kept.filter((run) => run.start === start).flatMap((run) => run.curves).filter((curve) => curve.diverged !== undefined).length,
  }));
  const pairs: [Start, Start][] = [['generated', 'random'], ['generated', 'shared'], ['shared', 'random']];
  const differences = pairs.map(([a, b]) => ({
    a, b,
    measures: forMeasures((name) => {
      const difference = (of: (values: readonly number[]) => number) => {
        const other = value(b, name, of);
        return bootstrap.mean(value(a, name, of).map((x, i) => x - other[i]));
      };
      return { zero: difference(first), end: difference(last), area: difference(area) };
    }),
  }));
  return { tasks, starts, differences };
}

/** Trapezoid rule over the steps, divided by their range. */
export function meanOverSteps(values: readonly number[], at: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < at.length; i++) sum += ((values[i] + values[i - 1]) / 2) * (at[i] - at[i - 1]);
  return sum / (at[at.length - 1] - at[0]);
}

function bestRate(runs: readonly StartRun[], start: Start, tasks: readonly string[], { rates }: StartSettings): number {
  const ends = rates.map((_, rate) => {
    const curves = [...byTask(runs, start, tasks, rate).values()];
    return { rate, exact: mean(curves.map(({ exact }) => exact.at(-1)!)), logLikelihood: mean(curves.map(({ logLikelihood }) => logLikelihood.at(-1)!)) };
  });
  return ends.reduce((a, b) => (b.exact > a.exact || (b.exact === a.exact && b.logLikelihood > a.logLikelihood) ? b : a)).rate;
}

function byTask(runs: readonly StartRun[], start: Start, tasks: readonly string[], rate: number): Curves {
  return new Map(tasks.map((task) => {
    const curves = runs.filter((run) => run.task === task && run.start === start).map((run) => run.curves[rate]);
    return [task, forMeasures((name) => curves[0][name].map((_, i) => mean(curves.map((curve) => curve[name][i]))))];
  }));
}

function stepsTo95(tasks: readonly string[], curves: ReadonlyMap<Start, Curves>, start: Start, name: MeasureName, at: readonly number[]): Progress['stepsTo95'] {
  const steps = tasks.flatMap((task) => {
    const all = STARTS.map((s) => curves.get(s)!.get(task)![name]);
    const floor = name === 'exact' ? 0 : Math.min(...all.map((values) => values[0]));
    const best = Math.max(...all.map((values) => values[values.length - 1]));
    // Where nothing is ever right, every start would be there at once.
    if (best <= floor) return [];
    const index = curves.get(start)!.get(task)![name].findIndex((value) => value >= floor + 0.95 * (best - floor));
    return [index < 0 ? Infinity : at[index]];
  });
  const reached = steps.filter(Number.isFinite).sort((a, b) => a - b);
  return { median: reached.length ? reached[Math.floor((reached.length - 1) / 2)] : null, reached: reached.length, tasks: steps.length };
}

function forMeasures<T>(make: (name: MeasureName) => T): Record<MeasureName, T> {
  return { exact: make('exact'), logLikelihood: make('logLikelihood') };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
