import { copyFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openTasks } from '../../lib/data/open-tasks.ts';
import type { TaskFileOptions } from '../../lib/data/open-tasks.ts';
import { Random } from '../../lib/data/random.ts';
import { compileJinja } from '../../lib/data/sources/jinja.ts';
import { templateExamples } from '../../lib/data/sources/templates.ts';
import { folderOf, jsonl } from './files.ts';

const GOLDENS = path.join(path.dirname(fileURLToPath(import.meta.url)), 'goldens');
interface GoldenPrompt {
  jinja: string;
  record: Record<string, unknown>;
  options: string[] | null;
  parts: string[];
}
const golden: { prompts: GoldenPrompt[] } = JSON.parse(readFileSync(path.join(GOLDENS, 'data.json'), 'utf8'));

async function pairs(file: string | Record<string, string>, options: TaskFileOptions = {}) {
  const { tasks, report } = await openTasks(typeof file === 'string' ? file : folderOf(file), options);
  return { report, pairs: tasks.flatMap(({ examples }) => examples.map(({ input, output }) => [input, output])), tasks };
}

describe('Super-NaturalInstructions', () => {
  const task = {
    Definition: ['Say the colour.'],
    Categories: ['Naming'],
    Input_language: ['English'],
    Output_language: ['English'],
    'Positive Examples': [{ input: 'sky', output: 'blue', explanation: 'It is.' }, { input: 'grass', output: 'green', explanation: '' }],
    'Negative Examples': [],
    Instances: [{ id: '1', input: 'snow', output: ['white', 'pale'] }, { id: '2', input: 'coal', output: [] }, { id: '3', input: 'rose', output: ['red'] }],
  };

  test('definition, fixed examples and instances; a broken instance is reported', async () => {
    const { tasks: [read], report } = await pairs({ 'task001_colour.json': JSON.stringify(task) });
    expect(read).toMatchObject({ id: 'task001_colour', description: 'Say the colour.', info: { category: 'Naming', languages: ['English'] } });
    expect(read.positives).toEqual([{ input: 'sky', output: 'blue' }, { input: 'grass', output: 'green' }]);
    expect(read.examples).toEqual([{ input: 'snow', output: 'white', outputs: ['white', 'pale'] }, { input: 'rose', output: 'red', outputs: ['red'] }]);
    expect(report.problems).toMatchObject([{ line: 2, message: 'field "output" is an empty list' }]);
  });

  test.each([
    ['{', 'not JSON'],
    ['{"Definition": ["x"]}', 'no "Instances"'],
    ['{"Definition": [3], "Instances": []}', 'Definition'],
    ['{"Definition": "x", "Instances": [], "Positive Examples": [{}]}', 'positive example 1'],
  ])('%s is refused', async (text, message) => {
    await expect(pairs({ 'a.json': text })).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining(message) });
  });
});

test('MetaICL: folders of tasks, an empty list of options is none', async () => {
  const files = {
    'sick/sick_16_train.jsonl': jsonl({ task: 'sick', input: 'p', output: 'a', options: ['a', 'b'] }, { task: 'sick', input: 'q', output: 'b', options: ['a', 'b'] }),
    'kilt/kilt_16_train.jsonl': jsonl({ task: 'kilt', input: 'p', output: 'x', options: [] }, { task: 'kilt', input: 'q', output: 'y', options: [] }),
    'kilt/kilt_16_test.jsonl': jsonl({ task: 'kilt', input: 'z', output: 'x', options: [] }),
  };
  const { tasks } = await pairs(files, { files: (name) => name.endsWith('_train.jsonl') });
  expect(tasks.map(({ id, examples }) => [id, examples.map(({ options }) => options)])).toEqual([['kilt', [undefined, undefined]], ['sick', [['a', 'b'], ['a', 'b']]]]);
});

describe('P3', () => {
  const row = (input: string, target: string, more = {}) => ({ inputs_pretokenized: input, targets_pretokenized: `\n${target}`, ...more });

  test('plain rows, with or without choices', async () => {
    const { tasks: [task] } = await pairs({ 'p.jsonl': jsonl(row('one ', 'yes', { answer_choices: ['yes', ' no'] }), row('two', 'free')) });
    expect(task.examples).toEqual([{ input: 'one', output: 'yes', outputs: ['yes'], options: ['yes', 'no'] }, { input: 'two', output: 'free', outputs: ['free'] }]);
  });

  test('candidates are put together, by number where there is one, and repeated examples stay apart', async () => {
    const scored = (input: string, flags: boolean[], idx?: number) => flags.map((is_correct, k) => row(input, `c${k}`, { is_correct, ...(idx !== undefined && { idx: [idx, k] }) }));
    const { tasks: [task], report } = await pairs({
      'p.jsonl': jsonl(...scored('one', [false, true]), ...scored('one', [false, true]), ...scored('two', [true, true], 2), ...scored('two', [true, false], 3), ...scored('bad', [false, false]), row('same', 'c', { is_correct: true, idx: [9, 0] }), row('same', 'c', { is_correct: false, idx: [9, 1] })),
    });
    expect(task.examples.map(({ input, outputs, options }) => [input, outputs, options])).toEqual([
      ['one', ['c1'], ['c0', 'c1']],
      ['one', ['c1'], ['c0', 'c1']],
      ['two', ['c0', 'c1'], ['c0', 'c1']],
      ['two', ['c0'], ['c0', 'c1']],
      ['same', ['c'], ['c', 'c']],
    ]);
    expect(report.problems).toMatchObject([{ line: 9, message: 'no candidate of this example is correct' }]);
  });
});

describe('tables', () => {
  test('CSV: quoted line ends and commas, byte order mark, CR LF, own columns', async () => {
    const { pairs: read, report } = await pairs({ 'a.csv': '\uFEFFinput,output,task\r\n"one, with\r\na second line",yes,t\r\n"say ""hi""",nö,t\r\n\r\nshort\r\nlast,no,t' });
    expect(read).toEqual([['one, with\r\na second line', 'yes'], ['say "hi"', 'nö'], ['last', 'no']]);
    expect(report).toMatchObject({ broken: 1, problems: [{ line: 6, message: '1 fields, but the header has 3' }] });
  });

  test('a map names columns and labels; numbers outside the labels are broken', async () => {
    const columns = { input: 'text', output: 'label', labels: ['bad', 'good'] };
    const { tasks: [task], report } = await pairs({ 'a.tsv': 'label\ttext\n1\tnice\n0\tawful "film"\n2\todd' }, { columns });
    expect(task.examples).toEqual([
      { input: 'nice', output: 'good', outputs: ['good'], options: columns.labels },
      { input: 'awful "film"', output: 'bad', outputs: ['bad'], options: columns.labels },
    ]);
    expect(report.problems[0]).toMatchObject({ line: 4, message: expect.stringContaining('no number of a label') });
  });

  test('a missing column, an unclosed quote and bytes that are no text', async () => {
    await expect(pairs({ 'a.csv': 'question,answer\na,b' })).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining('"question", "answer"') });
    const { pairs: read, report } = await pairs({ 'a.csv': 'input,output\na,b\nc,d\n"open,e\nf,g' });
    expect(read).toEqual([['a', 'b'], ['c', 'd']]);
    expect(report.problems).toMatchObject([{ line: 4, message: expect.stringContaining('rows after it were not read') }]);
    const folder = folderOf({ 'b.csv': Buffer.concat([Buffer.from('input,output\na,b\n'), Buffer.from([0xff]), Buffer.from(',x\nc,d\n')]) });
    expect((await openTasks(folder)).report.problems).toMatchObject([{ line: 3, message: 'not UTF-8 text' }]);
  });

  test.each(['snappy', 'zstd'])('Parquet (%s): nulls, nested columns, 64-bit labels', async (codec) => {
    const folder = folderOf({});
    copyFileSync(path.join(GOLDENS, `${codec}.parquet`), path.join(folder, 'squad.parquet'));
    const { pairs: read, report } = await pairs(folder, { columns: { input: 'question', output: 'answers.text' } });
    expect(read).toEqual([['one', 'a'], ['five', 'e']]);
    expect(report.problems.map(({ line, message }) => [line, message])).toEqual([
      [2, 'column "question" is null'],
      [3, 'column "answers.text" is an empty list'],
      [4, 'column "answers.text" is missing'],
    ]);
    const labelled = await pairs(folder, { columns: { input: 'question', output: 'label', labels: ['no', 'yes', 'so'] } });
    expect(labelled.pairs).toEqual([['one', 'no'], ['three', 'so'], ['five', 'yes']]);
    await expect(pairs(folder, { columns: { input: 'question', output: 'none' } })).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining('"answers"') });
  });

  test('a damaged Parquet file has a code', async () => {
    const bytes = readFileSync(path.join(GOLDENS, 'snappy.parquet'));
    for (const content of [bytes.subarray(0, 900), Buffer.from('PAR1 nothing'), Buffer.alloc(0)]) {
      await expect(openTasks(folderOf({ 'a.parquet': content }))).rejects.toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining('a.parquet') });
    }
  });
});

describe('prompt templates', () => {
  const first = () => ({ choice: <T>(items: readonly T[]) => items[0] }) as unknown as Random;

  test.each(golden.prompts)('as Jinja2 renders $jinja', async ({ jinja, record, options, parts }) => {
    const template = await compileJinja(jinja);
    const guarded: Record<string, unknown> = JSON.parse(JSON.stringify(record).replaceAll('|||', '###'));
    const text = template({ ...guarded, ...(options && { answer_choices: options }) }, first);
    expect(text.split('|||').map((part) => part.trim().replaceAll('###', '|||'))).toEqual(parts);
  });

  test('records become examples; a field may hold bars; options only where the target is one of them', async () => {
    const convert = await templateExamples({ jinja: '{{text}}? ||| {{ answer_choices[label] }}', answerChoices: 'no ||| {{yes}}' });
    expect(convert({ text: 'a ||| b', label: 1, yes: 'y|||s' })).toEqual({ input: 'a ||| b?', output: 'y|||s', outputs: ['y|||s'], options: ['no', 'y|||s'] });
    expect(convert({ text: 'a', label: 5n, yes: 'y' })).toEqual({ fault: 'the template leaves the target empty' });
    expect(convert([])).toEqual({ fault: 'not an object' });
  });

  test('random choices depend on the record alone', async () => {
    const convert = await templateExamples({ jinja: "{{ ['a','b','c','d','e','f'] | choice }} ||| {{text}}" });
    const inputs = Array.from({ length: 40 }, (_, i) => (convert({ text: `t${i}` }) as { input: string }).input);
    expect(new Set(inputs).size).toBe(6);
    expect((convert({ text: 't3' }) as { input: string }).input).toBe(inputs[3]);
  });

  test('a template reads a file; what fails is reported, what cannot be parsed refused', async () => {
    const files = { 'a.jsonl': jsonl({ q: 'one', n: 3 }, { q: 'two' }, { q: 'three', n: 4 }) };
    const { pairs: read, report } = await pairs(files, { template: { jinja: 'Q: {{q}} ||| {{n}}' } });
    expect(read).toEqual([['Q: one', '3'], ['Q: three', '4']]);
    expect(report.problems).toMatchObject([{ line: 2, message: 'the template leaves the target empty' }]);
    await expect(pairs(files, { template: { jinja: '{% if q %}x' } })).rejects.toMatchObject({ code: 'CONFIG_UNSUPPORTED', field: 'jinja' });
  });
});
