import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/program.ts';
import { EXAMPLES, TINY, capture, temporaryFolder } from './support.ts';

const dir = await temporaryFolder();

describe('wrong usage: exit code 2', () => {
  test.each([
    [[], 'Usage: hypertune'],
    [['polish'], "unknown command 'polish'"],
    [['info'], "missing required argument 'model'"],
    [['info', TINY, '--wrong'], "unknown option '--wrong'"],
    [['adapt', TINY, '--out', 'x'], "required option '--examples <file>'"],
    [['adapt', TINY, '--examples', EXAMPLES, '--out', 'x', '--kind', 'ia3'], 'Allowed choices are lora, prefix'],
    [['generate', TINY, 'q', '--beams', 'two'], 'A whole number is expected'],
    [['generate', TINY, 'q', '--beams', '0'], 'error ARGUMENT_RANGE: numBeams'],
    [['generate', TINY, 'q', '--sample', '--temperature', 'warm'], 'A number is expected'],
    [['generate', TINY, 'q', '--temperature', '0.5'], '--temperature, --top-k, --top-p and --seed need --sample'],
    [['generate', TINY, 'q', '--adapter', 'a', '--examples', 'b'], '--adapter and --examples exclude each other'],
    [['generate', TINY, 'q', '--input', 'a'], '--input and queries'],
    [['generate', TINY, 'q', '--kind', 'lora'], '--kind belongs to --examples'],
    [['generate', TINY, 'q', '--stream', '--beams', '2'], '--stream cannot show'],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await capture(argv);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });

  test('with --json the error is an object', async () => {
    const { code, err } = await capture(['generate', TINY, 'q', '--beams', 'two', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(err).error).toMatchObject({ code: 'ARGUMENT_INVALID', message: expect.stringContaining('--beams') });
  });
});

describe('failure: exit code 1, with code and remedy', () => {
  test('a folder that is not there', async () => {
    const { code, out, err } = await capture(['info', path.join(dir, 'absent')]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error FILE_NOT_FOUND: .*absent/);
  });

  test('bad examples name file and line, and what is expected', async () => {
    const file = path.join(dir, 'bad.jsonl');
    await writeFile(file, '{"input": "a", "output": "b"}\n{"input": 3}\n');
    const plain = await capture(['adapt', TINY, '--examples', file, '--out', path.join(dir, 'out')]);
    expect(plain.code).toBe(1);
    expect(plain.err).toBe(`error FILE_FORMAT: ${file}:2: field "input" is not a string\n  Expected {"input": string, "output": string or [string, ...]}.\n`);
    const json = await capture(['adapt', TINY, '--examples', file, '--out', path.join(dir, 'out'), '--json']);
    expect(JSON.parse(json.err).error).toEqual({
      code: 'FILE_FORMAT', field: 'input', message: `${file}:2: field "input" is not a string`, remedy: 'Expected {"input": string, "output": string or [string, ...]}.',
    });
  });

  test.each([
    [['--adapter', path.join(dir, 'none')], 'FILE_NOT_FOUND'],
    [['--examples', path.join(dir, 'none')], 'FILE_NOT_FOUND'],
  ])('%j', async (options, wanted) => {
    const { code, err } = await capture(['generate', TINY, 'q', ...options]);
    expect(err).toContain(`error ${wanted}: `);
    expect(code).toBe(1);
  });

  test.each([
    [path.join(dir, 'none'), 'FILE_NOT_FOUND'],
    [dir, 'FILE_IO'],
  ])('queries from %s', async (input, wanted) => {
    const { code, err } = await capture(['generate', TINY, '--input', input]);
    expect(err).toContain(`error ${wanted}: `);
    expect(code).toBe(1);
  });
});

test('help and version are no errors', async () => {
  expect((await capture(['--help'])).code).toBe(0);
  const help = await capture(['generate', '--help']);
  expect(help).toMatchObject({ code: 0, err: '' });
  expect(help.out).toContain('--max-new-tokens <n>');
  expect((await capture(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe('an interrupt', () => {
  test('before the start', async () => {
    const { code, out, err } = await capture(['generate', TINY, 'q'], { signal: AbortSignal.abort() });
    expect({ code, out }).toEqual({ code: 130, out: '' });
    expect(err).toContain('ABORTED');
  });

  test('between answers', async () => {
    const abort = new AbortController();
    const { code, out } = await capture(['generate', TINY, '--stream'], { stdin: 'one two\n'.repeat(1000), signal: abort.signal, onOut: () => abort.abort() });
    expect(code).toBe(130);
    expect(out.split('\n').length).toBeLessThan(4);
  });

  test('while stdin is silent', async () => {
    const abort = new AbortController();
    const stdin = new PassThrough();
    stdin.write('one two\n');
    const ended = capture(['generate', TINY, '--stream'], { stdin, signal: abort.signal, onOut: (text) => text === '\n' && abort.abort() }, run);
    expect((await ended).code).toBe(130);
  });
});

describe('progress', () => {
  test('none where stderr is no terminal', async () => {
    expect((await capture(['generate', TINY, 'q'])).err).toBe('');
  });

  test('one line, rewritten and taken away, on a terminal', async () => {
    const { err } = await capture(['generate', TINY, 'q'], { terminal: true });
    expect(err).toMatch(/\r\u001b\[Kloading .* \d+\/\d+, \d+\.\d s/);
    expect(err.endsWith('\r\u001b[K')).toBe(true);
    expect(err).not.toContain('\n');
  });

  test('whole lines with --progress', async () => {
    const { err } = await capture(['generate', TINY, 'q', '--progress']);
    expect(err).toMatch(/^loading .*tiny 1\/\d+, \d+\.\d s\n/);
    expect(err).not.toContain('\r');
  });
});
