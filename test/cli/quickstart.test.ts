import { readdir, symlink, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { measure, otherTask } from '../../lib/cli/measure.ts';
import { runQuickstart } from '../../lib/cli/quickstart-program.ts';
import type { QuickstartTask } from '../../lib/data/quickstart-tasks.ts';
import { quickstartTasks } from '../../lib/data/quickstart-tasks.ts';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { ROOT, TINY, capture, temporaryFolder } from './support.ts';

const tasks = quickstartTasks().slice(0, 2).map((task) => ({ ...task, queries: task.queries.slice(0, 4) }));
const quickstart = (argv: string[], some: readonly QuickstartTask[] = tasks) => capture(argv, {}, (args, io) => runQuickstart(args, io, some));
const dir = await temporaryFolder();

test('prints a row per task and kind, and writes an adapter that answers the same when read back', async () => {
  const out = path.join(dir, 'printed');
  const { code, out: text, err } = await quickstart([TINY, '--out', out]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const { description, queries } of tasks) {
    expect(text.match(new RegExp(`^${description}( +\\d+ %){3} +\\d+\\.\\d +\\d+\\.\\d\\d$`, 'gm'))).toHaveLength(3);
    expect(text).toContain(`    ${queries[0].input}  ->  `);
  }
  expect(text).toMatch(/^all 2 tasks( +\d+ %){3}/m);
  expect(text).toContain('read back, it gives the same answers.');
  expect(await readdir(out)).toContain('adapter_config.json');
});

test('--json has the same as numbers', async () => {
  const { out } = await quickstart([TINY, '--json', '--out', path.join(dir, 'json')]);
  const { results, adapter } = JSON.parse(out);
  expect(results.map(({ kind, task }: { kind: string; task: string }) => `${kind} ${task}`)).toEqual(['both', 'prefix', 'lora'].flatMap((kind) => tasks.map(({ id }) => `${kind} ${id}`)));
  for (const { queries, accuracy, adaptMs, msPerToken, answered } of results) {
    expect(queries).toBe(4);
    for (const share of Object.values<number>(accuracy)) expect([0, 0.25, 0.5, 0.75, 1]).toContain(share);
    expect(adaptMs).toBeGreaterThan(0);
    expect(msPerToken).toBeGreaterThan(0);
    expect(answered).toHaveLength(4);
  }
  expect(adapter).toMatchObject({ same: true });
});

describe('a folder', () => {
  const withParts = async (name: string, ...parts: string[]) => {
    const folder = path.join(dir, name);
    await mkdir(folder);
    for (const part of ['config.json', 'model.safetensors', 'tokenizer.json', ...parts]) await symlink(path.join(TINY, part), path.join(folder, part));
    return folder;
  };

  test('with one hypermodel gives a table for each kind it writes', async () => {
    const { code, out } = await quickstart([await withParts('one', 'hyper-both'), '--json', '--out', path.join(dir, 'prefix')]);
    expect(code).toBe(0);
    expect(JSON.parse(out).results.map(({ kind }: { kind: string }) => kind)).toEqual(['both', 'both', 'prefix', 'prefix', 'lora', 'lora']);
  });

  test('without any is an error that says what to take', async () => {
    const { code, err } = await quickstart([await withParts('none')]);
    expect(code).toBe(1);
    expect(err).toContain('error CONFIG_UNSUPPORTED');
    expect(err).toContain('weights/tiny');
  });
});

test('accuracy counts exact matches under each adapter', async () => {
  const model = await HyperT5.load(TINY);
  const answersOf = async (shots?: QuickstartTask['shots']) => {
    const inputs = tasks[0].queries.map(({ input }) => input);
    return model.generate(inputs, shots && { adapter: await model.adapt(shots, { kind: 'lora' }) });
  };
  const [own, foreign, alone] = [await answersOf(tasks[0].shots), await answersOf(tasks[1].shots), await answersOf()];
  // What the model answers is taken as the truth, but for the last query.
  const queries = tasks[0].queries.map(({ input }, i) => ({ input, output: i < 3 ? own[i].trim() : 'something else' }));
  const equal = (answers: string[]) => answers.filter((answer, i) => answer.trim() === queries[i].output).length;
  for await (const { correct, other } of measure(model, 'lora', [{ ...tasks[0], queries }, tasks[1]])) {
    expect(other).toBe(tasks[1].id);
    expect(correct).toEqual({ frozen: equal(alone), adapted: 3, other: equal(foreign) });
    break;
  }
  await model.dispose();
});

test('the other task is the next whose answers look alike', () => {
  const task = (id: string, output: string): QuickstartTask => ({ ...tasks[0], id, shots: [{ input: 'x', output }] });
  const list = [task('words', 'a b'), task('label', 'a'), task('words too', 'b c'), task('label too', 'b')];
  expect(list.map((_, i) => otherTask(list, i))).toEqual([2, 3, 0, 1]);
  expect(otherTask([list[0], list[1]], 1)).toBe(0);
});

test('npm run quickstart starts the built file of this program', async () => {
  const { scripts } = (await import(path.join(ROOT, 'package.json'), { with: { type: 'json' } })).default as { scripts: Record<string, string> };
  expect(scripts['quickstart']).toContain('dist/cli/quickstart.js');
});
