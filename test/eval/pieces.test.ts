import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { average } from '../../lib/adapters/average.ts';
import { inContextInput } from '../../lib/data/in-context.ts';
import { Random } from '../../lib/data/random.ts';
import { Bootstrap } from '../../lib/eval/bootstrap.ts';
import { evaluationChart } from '../../lib/eval/chart.ts';
import { counterparts, limitTasks, permuteLabels } from '../../lib/eval/draws.ts';
import { readEvalTasks } from '../../lib/eval/folder-tasks.ts';
import { generatedTasks, generatedTraining } from '../../lib/eval/generated-tasks.ts';
import type { GroupSummary } from '../../lib/eval/summary.ts';
import { closedLabels, splitLines } from '../../lib/eval/task.ts';
import type { AdapterFile } from '../../lib/files/adapter-file.ts';
import { FakeEncoder } from '../data/fake-encoder.ts';
import { fakeTask } from './fake-subject.ts';

describe('bootstrap', () => {
  test('the interval is that of the normal approximation, for many values', () => {
    const rng = Random.stream(3, 'values');
    const values = Array.from({ length: 400 }, () => rng.float());
    const { mean, low, high } = new Bootstrap().mean(values);
    // Uniform: standard deviation 12^-0.5; 2,000 draws of percentiles leave about 3 % of the width.
    const half = (1.96 * Math.sqrt(1 / 12)) / 20;
    expect(mean).toBeCloseTo(values.reduce((a, b) => a + b) / 400, 12);
    expect(Math.abs(high - mean - half)).toBeLessThan(0.1 * half);
    expect(Math.abs(mean - low - half)).toBeLessThan(0.1 * half);
    expect(new Bootstrap().mean(values)).toEqual({ mean, low, high });
    expect(new Bootstrap({ seed: 2 }).mean(values)).not.toEqual({ mean, low, high });
  });

  test('weights count; one value has no width; no value is an error', () => {
    const bootstrap = new Bootstrap({ draws: 100 });
    expect(bootstrap.mean([1, 0], [3, 1]).mean).toBe(0.75);
    expect(bootstrap.mean([5])).toEqual({ mean: 5, low: 5, high: 5 });
    for (const values of [[], [1, NaN]]) expect(() => bootstrap.mean(values)).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
  });
});

describe('tasks', () => {
  const line = (input: string, options?: string[]) => ({ input, output: 'x', outputs: ['x'], ...(options && { options }) });

  test.each([[1, 0, 1], [2, 1, 1], [40, 20, 20], [63, 31, 32], [64, 32, 32], [100, 32, 68]])('%i lines: %i for shots, %i for queries', (lines, support, queries) => {
    const split = splitLines(Array.from({ length: lines }, (_, i) => line(String(i))));
    expect([split.support.length, split.queries.length]).toEqual([support, queries]);
  });

  test('a query that is among the lines for shots is left out', () => {
    expect(splitLines(['a', 'b', 'a', 'c'].map((input) => line(input))).queries).toEqual([line('c')]);
  });

  test('labels are closed where every line has the same options, in any order', () => {
    expect(closedLabels([line('a', ['x', 'y']), line('b', ['y', 'x', 'x'])])).toEqual(['x', 'y']);
    expect(closedLabels([line('a', ['x', 'y']), line('b', ['x', 'z'])])).toBeUndefined();
    expect(closedLabels([line('a', ['x', 'y']), line('b')])).toBeUndefined();
    expect(closedLabels([line('a', ['x'])])).toBeUndefined();
  });

  test('counterparts are of the group and of another cluster, where there is one', () => {
    const tasks = [...'abcdef'].map((id, i) => fakeTask(id, () => 'x', { cluster: i < 3 ? 'one' : id, group: 'g' }));
    const lonely = fakeTask('z', () => 'x', { group: 'h' });
    const same = ['p', 'q'].map((id) => fakeTask(id, () => 'x', { cluster: 'c', group: 'i' }));
    const pairs = counterparts([...tasks, lonely, ...same], 1);
    for (const task of tasks) {
      expect(pairs.get(task)!.group).toBe('g');
      expect(pairs.get(task)!.cluster).not.toBe(task.cluster);
    }
    expect(pairs.has(lonely)).toBe(false);
    expect([pairs.get(same[0]), pairs.get(same[1])]).toEqual([same[1], same[0]]);
  });

  test('permuted labels: every label becomes another, each once', () => {
    const options = ['a', 'b', 'c', 'd'];
    const task = fakeTask('t', (i) => options[i % 4], { options });
    for (let seed = 0; seed < 20; seed++) {
      const permuted = permuteLabels({ task: 't', examples: task.support }, task, Random.stream(seed))!;
      const map = new Map(task.support.map(({ output }, i) => [output, permuted.examples[i].output]));
      expect(new Set(map.values())).toEqual(new Set(options));
      expect([...map].every(([from, to]) => from !== to)).toBe(true);
      expect(permuted.examples.every(({ output }, i) => output === map.get(task.support[i].output))).toBe(true);
    }
    const one = permuteLabels({ task: 't', examples: [{ input: 'i', output: 'a' }] }, task, Random.stream(1))!;
    expect(['b', 'c', 'd']).toContain(one.examples[0].output);
    expect(permuteLabels({ task: 't', examples: task.support }, { ...task, labels: undefined }, Random.stream(1))).toBeUndefined();
  });

  test('a limit is per group, keeps the order and is seeded', () => {
    const tasks = Array.from({ length: 12 }, (_, i) => fakeTask(`t${i}`, () => 'x', { group: i < 10 ? 'g' : 'h' }));
    const ids = (seed: number) => limitTasks(tasks, 3, seed).map(({ id }) => id);
    expect(ids(1)).toHaveLength(5);
    expect(ids(1)).toEqual(tasks.map(({ id }) => id).filter((id) => ids(1).includes(id)));
    expect(ids(1)).toEqual(ids(1));
    expect(ids(1)).not.toEqual(ids(2));
  });

  test('generated tasks: every group, disjoint examples, options for rules, the same for the same seed', () => {
    const tasks = generatedTasks({ tasksPerGroup: 2, seed: 5 });
    expect([...new Set(tasks.map(({ group }) => group))]).toEqual(expect.arrayContaining(['primitive', 'label', 'constant, held out', 'really new', 'training mixture']));
    for (const { id, labels, support, queries } of tasks) {
      expect(queries.length).toBeGreaterThan(0);
      expect(support.length).toBeLessThanOrEqual(32);
      expect(support.filter(({ input }) => queries.some((q) => q.input === input))).toEqual([]);
      expect(labels?.length).toBe(/(^|\/)label\//.test(id) ? 2 : undefined);
    }
    expect(generatedTasks({ tasksPerGroup: 2, seed: 5 })).toEqual(tasks);
    expect(generatedTraining(7, 1)).toHaveLength(7);
  });
});

describe('task folders', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'hypertune-eval-'));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  const lines = (task: string, count: number, more = {}) => Array.from({ length: count }, (_, i) => JSON.stringify({ task, input: `${task} ${i}`, output: [String(i % 2)], ...more })).join('\r\n');
  const folder = path.join(dir, 'tasks');
  await mkdir(folder);
  await writeFile(path.join(folder, 'one.jsonl'), `\uFEFF${lines('a', 10, { options: ['0', '1'] })}\n{"broken": \n\n${lines('b', 4)}\n`);
  await writeFile(path.join(folder, 'two.jsonl.gz'), gzipSync(`${lines('c', 3)}\n${lines('d', 1)}\n`));
  await writeFile(path.join(dir, 'index.json'), JSON.stringify([
    { task: 'a', kind: 'label', cluster: 'k', source: 's', definition: 'say', unseen: true }, { task: 'b', kind: 'open', cluster: 'k', source: 's', positive_examples: [{ input: 'i', output: 'o' }] },
  ]));

  test('groups, clusters and definitions come from the index; what cannot be used is said', async () => {
    const { tasks, skipped, broken, problems } = await readEvalTasks(folder);
    expect(tasks.map(({ id, group, cluster, definition, labels, positives, support, queries }) => [id, group, cluster, definition, labels, positives.length, support.length, queries.length])).toEqual([
      ['a', 'label', 'k', 'say', ['0', '1'], 0, 5, 5], ['b', 'open', 'k', undefined, undefined, 1, 2, 2], ['c', 'tasks', 'c', undefined, undefined, 0, 1, 2],
    ]);
    expect(skipped).toEqual([{ task: 'd', reason: 'fewer than two different inputs' }]);
    expect([broken, problems[0].line]).toEqual([1, 11]);
  });

  test('a filter keeps tasks by the values of fields, a group may be another field', async () => {
    const ids = async (filter: [string, string[]][]) => (await readEvalTasks(folder, { filter: new Map(filter) })).tasks.map(({ id }) => id);
    expect(await ids([['kind', ['label', 'open']]])).toEqual(['a', 'b']);
    expect(await ids([['kind', ['label', 'open']], ['unseen', ['true']]])).toEqual(['a']);
    expect((await readEvalTasks(folder, { group: 'source' })).tasks.map(({ group }) => group)).toEqual(['s', 's', 'tasks']);
    await expect(ids([['colour', ['red']]])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', message: expect.stringMatching(/no task has a field 'colour'.*kind/) });
    await expect(ids([['kind', ['edit']]])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
  });

  test('a folder without tasks, or none, is an error', async () => {
    await mkdir(path.join(dir, 'empty'));
    await expect(readEvalTasks(path.join(dir, 'empty'))).rejects.toMatchObject({ code: 'EXAMPLES_EMPTY' });
    await expect(readEvalTasks(path.join(dir, 'absent'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('the mean of adapters', () => {
  const lora = (x: number, rank = 1): AdapterFile => ({
    kind: 'lora', config: {},
    modules: [{ path: 'p', stack: 'encoder', block: 0, site: 'self', name: 'q', rank, inFeatures: 2, outFeatures: 1, a: Float32Array.of(x, 2 * x), b: Float32Array.of(-x), scale: 1, alpha: 1 }],
  });
  const prefix = (x: number): AdapterFile => ({ kind: 'prefix', config: {}, length: 1, biasPolicy: 'zero', sites: [{ stack: 'encoder', block: 0, site: 'self', k: Float32Array.of(x), v: Float32Array.of(3 * x) }] });
  const both = (x: number): AdapterFile => ({ kind: 'combined', config: {}, parts: [lora(x), prefix(x)].filter((p) => p.kind !== 'combined') });

  test('is value by value, in all parts', () => {
    expect(average([both(1), both(2), both(6)])).toEqual(both(3));
    expect(average([lora(1), lora(3)])).toEqual(lora(2));
  });

  test('needs one shape', () => {
    expect(() => average([lora(1), lora(1, 2)])).toThrow(expect.objectContaining({ code: 'ADAPTER_MISMATCH' }));
    expect(() => average([lora(1), prefix(1)])).toThrow(expect.objectContaining({ code: 'ADAPTER_MISMATCH' }));
    expect(() => average([])).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
  });
});

describe('examples in the input', () => {
  const encoder = new FakeEncoder();
  const examples = [{ input: 'a', output: 'b' }, { input: 'c', output: 'd' }];
  const query = encoder.encode('q r');
  const text = (maxTokens: number, more = {}) => encoder.decode(inContextInput(encoder, { examples, ...more }, query, maxTokens));

  test('the query stands last; examples that do not fit are left out whole, the query never', () => {
    expect(text(100)).toBe('<99> a <98> b <99> c <98> d <99> q r');
    expect(text(100, { definition: 'do' })).toBe('do <99> a <98> b <99> c <98> d <99> q r');
    expect(text(11)).toBe('<99> a <98> b <99> c <98> d <99> q r');
    expect(text(10)).toBe('<99> a <98> b <99> q r');
    expect(text(6)).toBe('q r');
    expect(text(1)).toBe('q r');
    expect(text(100, { examples: [] })).toBe('q r');
  });
});

test('the chart is one SVG document with a bar per condition and group, and escapes names', () => {
  const interval = (mean: number, tasks = 4) => ({ exact: { mean, low: mean - 0.1, high: mean + 0.1, tasks } });
  const summary = (kind: 'lora' | 'prefix', group: string): GroupSummary => ({ kind, group, tasks: 4, conditions: { none: interval(0.2), right: interval(0.6), permuted: interval(0.5, 2) }, gains: {} });
  const svg = evaluationChart('a < b', [summary('lora', 'x & y'), summary('lora', 'all'), summary('prefix', 'all')], 'exact');
  expect(svg.match(/<title>/g)).toHaveLength(9);
  expect(svg.match(/fill-opacity="0.35"/g)).toHaveLength(3);
  expect(svg).toContain('a &lt; b');
  expect(svg).toContain('x &amp; y (4)');
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
});
