import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openTasks } from '../../lib/data/open-tasks.ts';
import { folderOf, jsonl, records } from './files.ts';

describe('a folder of JSON Lines', () => {
  const folder = folderOf({
    'index.json': '[\n{"task": "a", "definition": "Do a.", "licence_class": "open", "extra": 1},\n{"task": "b", "licence_class": "nc"}\n]',
    'tasks/1.jsonl': jsonl(...records(3, 'a'), ...records(20, 'b')),
    'tasks/2.jsonl.gz': jsonl({ task: 'a', input: 'more', output: ['x', 'y'], options: ['y', 'x'] }, ...records(2)),
    'tasks/notes.md': 'not data',
  });

  test('tasks in the order of their first records, with the index one level above', async () => {
    const { tasks, report } = await openTasks(path.join(folder, 'tasks'), { shots: 4 });
    expect(tasks.map(({ id, total, description }) => [id, total, description])).toEqual([['a', 4, 'Do a.'], ['b', 20, ''], ['2', 2, '']]);
    expect(tasks[0].examples.at(-1)).toEqual({ task: 'a', input: 'more', output: 'x', outputs: ['x', 'y'], options: ['y', 'x'] });
    expect(tasks[0].info).toMatchObject({ extra: 1 });
    expect(report).toEqual({ files: 2, records: 26, broken: 0, problems: [], short: ['a', '2'], leftOut: [], capped: [] });
  });

  test('keeps the wanted tasks', async () => {
    const { tasks } = await openTasks(path.join(folder, 'tasks'), { index: path.join(folder, 'index.json'), keep: ({ licence_class }) => licence_class === 'nc', strict: true });
    expect(tasks.map(({ id, examples }) => [id, examples.length])).toEqual([['b', 20]]);
  });

  test('a cap keeps a uniform sample in the order of the file, the same every time', async () => {
    const counts = new Array<number>(3).fill(0);
    for (let seed = 0; seed < 300; seed++) {
      const { tasks: [a] } = await openTasks(path.join(folder, 'tasks/1.jsonl'), { cap: 2, seed, index: false });
      for (const { input } of a.examples) counts[Number(input.slice(2))]++;
    }
    // 300 draws with p = 2/3: mean 200, standard deviation 8.2
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(41);
    for (let seed = 0; seed < 5; seed++) {
      const { tasks, report } = await openTasks(path.join(folder, 'tasks/1.jsonl'), { cap: 5, seed, index: false });
      const kept = tasks[1].examples.map(({ input }) => Number(input.slice(2)));
      expect(kept).toEqual(kept.toSorted((a, b) => a - b));
      expect([kept.length, tasks[1].total, report.capped, report.records]).toEqual([5, 20, ['b'], 23]);
    }
    const again = async () => (await openTasks(path.join(folder, 'tasks/1.jsonl'), { cap: 5, seed: 7 })).tasks[1].examples;
    expect(await again()).toEqual(await again());
  });

  test('tasks of one input are left out, duplicates count once', async () => {
    const twice = { task: 'same', input: 'i', output: 'o' };
    const one = folderOf({ 'x.jsonl': jsonl(twice, twice, { task: 'lone', input: 'i', output: 'o' }, ...records(3, 'ok')) });
    const { tasks, report } = await openTasks(one, { shots: 2 });
    expect(tasks.map(({ id }) => id)).toEqual(['ok']);
    expect(report).toMatchObject({ leftOut: ['same', 'lone'], short: [], records: 6 });
  });
});

describe('broken records', () => {
  const broken = [
    '\uFEFF{"task": "t", "input": "ünï 🦊", "output": "o"}\r',
    '{"task": "t", "input": "i2", "output": }',
    '[1]',
    '{"task": "t", "input": 3, "output": "o"}',
    '{"task": "t", "input": "i", "output": []}',
    '{"task": "t", "input": "i", "output": "c", "options": ["a", "b"]}',
    `{"task": "t", "input": "${'x'.repeat(2000)}", "output": "o"}`,
    '',
    '{"task": "t", "input": "i3", "output": "o"}',
  ].join('\n');
  const folder = folderOf({ 'b.jsonl': broken });

  test('are counted, the first are named, the sound ones are read', async () => {
    const { tasks, report } = await openTasks(folder, { maxLineBytes: 1000, maxProblems: 5 });
    expect(tasks[0].examples.map(({ input }) => input)).toEqual(['ünï 🦊', 'i3']);
    expect(report).toMatchObject({ records: 2, broken: 6 });
    expect(report.problems.map(({ line, message }) => [line, message.slice(0, 30)])).toEqual([
      [2, expect.stringContaining('not JSON')],
      [3, 'not an object'],
      [4, 'field "input" is not a string'],
      [5, 'field "output" is an empty lis'],
      [6, 'output "c" is not among the op'],
    ]);
    expect(report.problems[0].file).toBe(path.join(folder, 'b.jsonl'));
  });

  test('strict: the first is an error with file and line', async () => {
    await expect(openTasks(folder, { strict: true })).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringMatching(/b\.jsonl:2: not JSON/) });
  });
});

describe('what cannot be read at all', () => {
  const whole = gzipSync(jsonl(...records(500, 't')));
  const index = (content: string) => ({ 'a.jsonl': jsonl(...records(3)), 'index.json': content });
  test.each([
    ['an empty folder', {}, 'EXAMPLES_EMPTY', 'holds no file'],
    ['an empty file', { 'a.jsonl': '' }, 'EXAMPLES_EMPTY', 'a.jsonl'],
    ['an empty file among others', { 'a.jsonl': jsonl(...records(3)), 'b.jsonl': '\n' }, 'EXAMPLES_EMPTY', 'b.jsonl'],
    ['half a gzip', { 'a.jsonl.gz': whole.subarray(0, whole.length - 20) }, 'FILE_TRUNCATED', 'a.jsonl.gz'],
    ['no gzip', { 'a.jsonl.gz': Buffer.from('{}') }, 'FILE_FORMAT', 'a.jsonl.gz'],
    ['nothing but broken records', { 'a.jsonl': 'x\ny\n' }, 'FILE_FORMAT', 'a.jsonl:1'],
    ['an index that is no array', index('{}'), 'FILE_FORMAT', 'index.json'],
    ['an index with a wrong type', index('[{"task": "a", "labels": 3}]'), 'FILE_FORMAT', 'labels'],
  ])('%s', async (_, files, code, text) => {
    await expect(openTasks(folderOf(files))).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
  });

  test('paths and options', async () => {
    const folder = folderOf({ 'a.jsonl': jsonl(...records(3)), 'b.xml': '<a/>' });
    await expect(openTasks(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openTasks(path.join(folder, 'b.xml'))).rejects.toMatchObject({ code: 'FILE_UNSUPPORTED' });
    await expect(openTasks(folder, { index: path.join(folder, 'none.json') })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openTasks(folder, { cap: 1 })).rejects.toMatchObject({ code: 'ARGUMENT_RANGE', field: 'cap' });
    await expect(openTasks(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
