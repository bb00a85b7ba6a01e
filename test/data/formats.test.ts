import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseExamples, readExamples } from '../../lib/data/formats.ts';

const LINE = '{"input": "cat", "output": "cats"}';

describe('parseExamples', () => {
  test('lines and an array give the same examples', () => {
    const many = '{"task": "t", "input": "sane", "output": ["insane", "mad"], "options": ["insane", "mad", "so"]}';
    const expected = [
      { input: 'cat', output: 'cats', outputs: ['cats'] },
      { task: 't', input: 'sane', output: 'insane', outputs: ['insane', 'mad'], options: ['insane', 'mad', 'so'] },
    ];
    expect(parseExamples(`${LINE}\n${many}\n`, 'f')).toEqual(expected);
    expect(parseExamples(`\n [${LINE},\n ${many}]`, 'f')).toEqual(expected);
  });

  test('byte order mark, carriage returns, blank lines and empty strings are fine', () => {
    const text = `\uFEFF${LINE}\r\n\r\n  \n{"input": "", "output": ""}`;
    expect(parseExamples(text, 'f').map(({ input, output }) => [input, output])).toEqual([['cat', 'cats'], ['', '']]);
  });

  test.each([
    ['{"input": "a"', /^x\.jsonl:3: not JSON: /, undefined],
    ['"text"', /^x\.jsonl:3: not an object/, undefined],
    ['null', /^x\.jsonl:3: not an object/, undefined],
    ['{"output": "a"}', /^x\.jsonl:3: field "input" is missing/, 'input'],
    ['{"input": 4, "output": "a"}', /^x\.jsonl:3: field "input" is not a string/, 'input'],
    ['{"input": "a"}', /^x\.jsonl:3: field "output" is missing/, 'output'],
    ['{"input": "a", "output": null}', /^x\.jsonl:3: field "output" is neither/, 'output'],
    ['{"input": "a", "output": ["b", 1]}', /^x\.jsonl:3: field "output" is neither/, 'output'],
    ['{"input": "a", "output": []}', /^x\.jsonl:3: field "output" is an empty list/, 'output'],
    ['{"input": "a", "output": "b", "task": 1}', /^x\.jsonl:3: field "task"/, 'task'],
    ['{"input": "a", "output": "b", "options": "b"}', /^x\.jsonl:3: field "options"/, 'options'],
  ])('%s is refused with file and line', (line, message, field) => {
    expect(() => parseExamples(`${LINE}\n\n${line}\n${LINE}`, 'x.jsonl')).toThrow(
      expect.objectContaining({ code: 'FILE_FORMAT', field, message: expect.stringMatching(message) }),
    );
  });

  test('a bad item of an array is named by its number, a broken array by its file', () => {
    expect(() => parseExamples(`[${LINE}, {"input": "a"}]`, 'x.json')).toThrow(/^x\.json, item 2: field "output" is missing/);
    expect(() => parseExamples(`[${LINE}`, 'x.json')).toThrow(/^x\.json: not JSON: /);
  });

  test.each(['', '\n \n', '[]', '\uFEFF'])('no example in %j', (text) => {
    expect(() => parseExamples(text, 'x.jsonl')).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
  });
});

describe('readExamples', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'formats-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('reads a file and names it in errors', async () => {
    const path = join(folder, 'few.jsonl');
    await writeFile(path, LINE);
    expect(await readExamples(path)).toHaveLength(1);
    await writeFile(path, `${LINE}\n{`);
    await expect(readExamples(path)).rejects.toThrow(`${path}:2: not JSON`);
  });

  test('a missing file, a folder and bytes that are no text', async () => {
    await expect(readExamples(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', field: 'path' });
    await expect(readExamples(folder)).rejects.toMatchObject({ code: 'FILE_IO', field: 'path' });
    const path = join(folder, 'latin1.jsonl');
    await writeFile(path, Buffer.from('{"input": "caf\xe9", "output": "a"}', 'latin1'));
    await expect(readExamples(path)).rejects.toMatchObject({ code: 'FILE_FORMAT', field: 'path' });
  });
});
