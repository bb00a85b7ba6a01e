// The initialisation experiment: its numbers by hand, its log, and whole runs on a small random model.
import { appendFile, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FewShotExample } from '../../lib/data/formats.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { STARTS, compareStarts } from '../../lib/eval/initialization.ts';
import type { Start, StartRun, StartSettings } from '../../lib/eval/initialization.ts';
import { startChart } from '../../lib/eval/initialization-chart.ts';
import { RunLog } from '../../lib/eval/initialization-log.ts';
import { trainShared } from '../../lib/eval/initialization-shared.ts';
import { meanOverSteps, summarizeStarts } from '../../lib/eval/initialization-summary.ts';
import { startTable } from '../../lib/eval/initialization-table.ts';
import { chooseTasks, generatedTasks } from '../../lib/eval/initialization-tasks.ts';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { tinyFolder } from '../hyper/support.ts';

const SETTINGS: StartSettings = { kind: 'lora', shots: 4, queries: 4, seeds: 2, rates: [0.1, 0.2], at: [0, 10, 40], batchRows: 2, seed: 1 };

/** Runs of two tasks; both seeds differ by +-0.1 around `exact`. Rate 0.2 is the better one of `generated` only. */
function runs(): StartRun[] {
  const exact: Record<Start, number[]> = { generated: [0.4, 0.5, 0.6], shared: [0.2, 0.4, 0.5], random: [0.1, 0.2, 0.6] };
  return ['a', 'b'].flatMap((task, t) => [0, 1].flatMap((seed) => STARTS.map((start): StartRun => {
    const shift = (seed === 0 ? 0.1 : -0.1) + (task === 'b' ? 0.2 : 0);
    const curve = (rate: number, by: number) => ({ rate, exact: exact[start].map((x) => x + shift + by), logLikelihood: exact[start].map((x) => 10 * (x + by) - 20 - t) });
    return { task, seed, start, curves: start === 'generated' ? [curve(0.1, -0.05), curve(0.2, 0)] : [curve(0.1, 0), curve(0.2, -0.05)] };
  })));
}

describe('summary', () => {
  const report = summarizeStarts(runs(), SETTINGS);
  const of = (start: Start) => report.starts.find((s) => s.start === start)!;

  test('the best rate of each start, means over tasks and seeds', () => {
    expect(report.tasks).toEqual(['a', 'b']);
    expect(report.starts.map(({ start, rate }) => [start, rate])).toEqual([['generated', 0.2], ['shared', 0.1], ['random', 0.1]]);
    expect(of('generated').measures.exact.zero.mean).toBeCloseTo(0.5, 12);
    expect(of('random').measures.exact.end.mean).toBeCloseTo(0.7, 12);
    expect(of('shared').measures.logLikelihood.end.mean).toBeCloseTo(-15.5, 12);
    expect(of('shared').measures.exact.curve.map(({ mean }) => mean)).toEqual([expect.closeTo(0.3, 12), expect.closeTo(0.5, 12), expect.closeTo(0.6, 12)]);
    expect(of('generated').overRates.exact.end).toBeCloseTo(0.675, 12);
  });

  test('area: the trapezoids over 0, 10, 40 divided by 40', () => {
    expect(meanOverSteps([0.4, 0.5, 0.6], [0, 10, 40])).toBeCloseTo((4.5 + 16.5) / 40, 12);
    expect(of('generated').measures.exact.area.mean).toBeCloseTo(21 / 40 + 0.1, 12);
  });

  test('steps to 95 %: of the best final accuracy; of the way up from the lowest likelihood', () => {
    // Task a: 0.57 of 0.6 at most; generated 0.4 0.5 0.6 gets there at 40; shared ends at 0.5. Task b: 0.76 of 0.8.
    expect(of('generated').measures.exact.stepsTo95).toEqual({ median: 40, reached: 2, tasks: 2 });
    expect(of('shared').measures.exact.stepsTo95).toEqual({ median: null, reached: 0, tasks: 2 });
    expect(of('random').measures.logLikelihood.stepsTo95).toEqual({ median: 40, reached: 2, tasks: 2 });
  });

  test('differences are paired by task: a constant one has no spread', () => {
    const { measures } = report.differences.find(({ a, b }) => a === 'generated' && b === 'random')!;
    for (const x of [measures.exact.zero.mean, measures.exact.zero.low, measures.exact.zero.high]) expect(x).toBeCloseTo(0.3, 12);
    expect(measures.exact.end.mean).toBeCloseTo(0, 12);
  });

  test('a task without all of its runs does not count; without any there is an empty report', () => {
    expect(summarizeStarts(runs().slice(0, -1), SETTINGS).tasks).toEqual(['a']);
    const empty = summarizeStarts([], SETTINGS);
    expect(empty.starts).toEqual([]);
    expect(startTable(empty)).toContain('0 tasks');
  });

  test('table and chart show every start', () => {
    const svg = startChart(report, SETTINGS);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(svg.match(/<polyline/g)).toHaveLength(6);
    for (const start of STARTS) for (const text of [svg, startTable(report)]) expect(text).toContain(start);
    expect(startTable(report)).toContain('50.0 [40.0, 60.0]');
  });
});

describe('log', () => {
  const file = async () => path.join(await mkdtemp(path.join(tmpdir(), 'runs-')), 'deep', 'runs.jsonl');

  test('keeps runs; a half-written line goes', async () => {
    const name = await file();
    const log = await RunLog.open(name, SETTINGS);
    for (const run of runs().slice(0, 3)) await log.append(run);
    const whole = await readFile(name, 'utf8');
    await appendFile(name, '{"task":"a","se');
    expect((await RunLog.open(name, SETTINGS)).runs).toEqual(runs().slice(0, 3));
    expect(await readFile(name, 'utf8')).toBe(whole);
  });

  test('other settings, a file that is no log, a folder that cannot be', async () => {
    const name = await file();
    await RunLog.open(name, SETTINGS);
    await expect(RunLog.open(name, { ...SETTINGS, seeds: 3 })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'out' });
    await appendFile(name, 'rubbish\n');
    await expect(RunLog.open(name, SETTINGS)).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining(':2') });
    await expect(RunLog.open(path.join(name, 'below.jsonl'), SETTINGS)).rejects.toMatchObject({ code: 'FILE_IO' });
  });
});

const universe = new Universe();

describe('tasks', () => {
  const lines = (count: number, input = 'a b', output = 'c'): FewShotExample[] => Array.from({ length: count }, (_, i) => ({ input: `${input} ${i}`, output, outputs: [output] }));
  const choice = { shots: 4, queries: 4, maxInputWords: 3, maxOutputWords: 2, limit: 5, seed: 1 };

  test('short ones with enough lines', () => {
    const tasks = [{ id: 'fits', examples: lines(10) }, { id: 'few', examples: lines(7) }, { id: 'long in', examples: lines(10, 'a b c d') }, { id: 'long out', examples: lines(10, 'a', 'x y z') }, { id: 'same', examples: lines(10).map((l) => ({ ...l, input: 'q' })) }];
    expect(chooseTasks(tasks, choice).map(({ id }) => id)).toEqual(['fits']);
    expect(() => chooseTasks(tasks.slice(1), choice)).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY', field: 'tasks' }));
    const [{ support, queries }] = chooseTasks(tasks, choice);
    expect(queries.filter(({ input }) => support.some((s) => s.input === input))).toEqual([]);
  });

  test('generated ones: as many as asked for, all different', () => {
    const tasks = generatedTasks(universe, { queries: 8, limit: 6, seed: 1 });
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(6);
    for (const { support, queries } of tasks) expect(Math.min(support.length, queries.length)).toBeGreaterThanOrEqual(8);
  });
});

test('runs are the same whether the experiment was stopped or not; a rate that diverges is marked', async () => {
  const model = await HyperT5.load(await tinyFolder(['lora']));
  const settings = { ...SETTINGS, rates: [1e-2, 3e38], at: [0, 2, 4] };
  const tasks = generatedTasks(universe, { queries: 4, limit: 1, seed: 1 });
  const like = await model.adapt(tasks[0].support);
  const shared = await trainShared(model, like, universe.trained, { steps: 3, batchRows: 4, examples: 20 });
  const collect = async (done: readonly StartRun[] = [], most = Infinity) => {
    const out = [...done];
    for await (const run of compareStarts(model, tasks, settings, { shared, done })) if (out.push(run) >= most) break;
    return out;
  };
  const all = await collect();
  expect(all.map(({ task, seed, start }) => [task, seed, start])).toEqual(tasks.flatMap(({ id }) => [0, 1].flatMap((seed) => STARTS.map((start) => [id, seed, start]))));
  expect(await collect(await collect([], 2))).toEqual(all);
  for (const { curves: [sound, broken] } of all) {
    expect(sound.diverged).toBeUndefined();
    expect(sound.logLikelihood[2]).not.toBe(sound.logLikelihood[0]);
    expect(broken).toMatchObject({ diverged: 2, logLikelihood: [sound.logLikelihood[0], sound.logLikelihood[0], sound.logLikelihood[0]] });
  }
  // The same start on the same queries; the seed changes the examples, so a generated start differs.
  const zero = (start: Start, seed: number) => all.find((run) => run.start === start && run.seed === seed)!.curves[0].logLikelihood[0];
  expect(zero('shared', 0)).toBe(zero('shared', 1));
  expect(zero('random', 0)).toBe(zero('random', 1)); // B is zero: the T5 alone
  expect(zero('generated', 0)).not.toBe(zero('generated', 1));
  // What is left in the bank: the caller's two.
  expect(model.info().adapters).toBe(2);
  const other = await model.newAdapter({ kind: 'lora', rank: 1 });
  await expect(compareStarts(model, tasks, settings, { shared: other }).next()).rejects.toMatchObject({ code: 'ADAPTER_MISMATCH', field: 'shared' });
  await expect(compareStarts(model, tasks, settings, { shared, signal: AbortSignal.abort() }).next()).rejects.toMatchObject({ code: 'ABORTED' });
  await model.dispose();
});
