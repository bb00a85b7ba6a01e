// `hypertune tune` and `hypertune experiment initialization`.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { tinyFolder } from '../hyper/support.ts';
import { capture, temporaryFolder } from './support.ts';

const dir = await temporaryFolder();
const examples = path.join(dir, 'examples.jsonl');
let model: string;
beforeAll(async () => {
  model = await tinyFolder(['lora', 'prefix']);
  await writeFile(examples, ['sun moon', 'cat dog', 'red blue'].map((input) => JSON.stringify({ input, output: input.split(' ').reverse().join(' ') })).join('\n'));
});

test('tune: a fresh adapter, then again from its folder; generate takes it', async () => {
  const [first, second] = [path.join(dir, 'first'), path.join(dir, 'second')];
  const one = await capture(['tune', model, '--kind', 'lora', '--rank', '2', '--examples', examples, '--steps', '6', '--learning-rate', '1e-2', '--out', first, '--json']);
  expect(one.err).toBe('');
  expect(JSON.parse(one.out)).toMatchObject({ out: first, format: 'peft', kind: 'lora', examples: 3, steps: 6, truncatedQueries: 0 });
  const two = await capture(['tune', model, '--adapter', first, '--examples', examples, '--steps', '6', '--learning-rate', '1e-2', '--out', second, '--json']);
  expect(JSON.parse(two.out).firstLoss).toBeLessThan(JSON.parse(one.out).firstLoss);
  expect(await capture(['generate', model, 'sun moon', '--adapter', second])).toMatchObject({ code: 0, err: '' });
});

test('tune: what is cut is said on stderr', async () => {
  const long = path.join(dir, 'long.jsonl');
  await writeFile(long, JSON.stringify({ input: 'word '.repeat(60), output: 'x' }));
  const { code, err, out } = await capture(['tune', model, '--kind', 'prompt', '--length', '2', '--examples', long, '--steps', '1', '--out', path.join(dir, 'cut')]);
  expect(code).toBe(0);
  expect(err).toContain('1 queries and 0 answers');
  expect(out).toContain('prompt adapter (PEFT folder)');
});

test.each([
  [[], 2, 'ARGUMENT_INVALID'],
  [['--adapter', 'x', '--kind', 'lora'], 2, 'ARGUMENT_INVALID'],
  [['--kind', 'prefix', '--rank', '2'], 2, 'ARGUMENT_INVALID'],
  [['--kind', 'lora', '--length', '2'], 2, 'ARGUMENT_INVALID'],
  [['--kind', 'lora', '--steps', '0'], 2, 'ARGUMENT_RANGE'],
  [['--kind', 'lora', '--learning-rate', '3e38', '--steps', '4'], 1, 'NUMERIC'],
  [['--adapter', '/nowhere'], 1, 'FILE_NOT_FOUND'],
])('tune %j fails with its code', async (args, code, error) => {
  const failed = await capture(['tune', model, '--examples', examples, '--out', path.join(dir, 'never'), '--json', ...args]);
  expect(failed.code).toBe(code);
  expect(JSON.parse(failed.err).error.code).toBe(error);
});

describe('experiment initialization', () => {
  const args = (out: string, ...more: string[]) => ['experiment', 'initialization', model, '--generated', '--out', out, '--limit', '1', '--seeds', '1', '--shots', '4', '--queries', '4', '--rates', '1e-2', '--at', '0,2,4', '--shared-steps', '2', ...more];

  test('writes its files; stopped in the middle it goes on where it was', async () => {
    const whole = path.join(dir, 'whole');
    const done = await capture(args(whole, '--kind', 'prefix'));
    expect(done.err).toBe('');
    expect(done.out).toMatch(/generated - random/);
    const runs = await readFile(path.join(whole, 'runs.jsonl'), 'utf8');
    expect(runs.trim().split('\n')).toHaveLength(1 + 3);
    const result = JSON.parse(await readFile(path.join(whole, 'result.json'), 'utf8'));
    expect(result.tasks).toHaveLength(1);
    expect(result.settings).toMatchObject({ kind: 'prefix', rates: [0.01], at: [0, 2, 4] });
    expect(await readFile(path.join(whole, 'curves.svg'), 'utf8')).toContain('</svg>');

    // Two runs, and a line that was being written: as a kill leaves it.
    await writeFile(path.join(whole, 'runs.jsonl'), `${runs.split('\n').slice(0, 3).join('\n')}\n{"task`);
    expect((await capture(args(whole, '--kind', 'prefix', '--json'))).code).toBe(0);
    expect(await readFile(path.join(whole, 'runs.jsonl'), 'utf8')).toBe(runs);
    const other = await capture(args(whole, '--kind', 'prefix', '--seed', '2', '--json'));
    expect(JSON.parse(other.err).error).toMatchObject({ code: 'ARGUMENT_INVALID', field: 'out' });
  });

  test('tasks of a folder, and a shared start that is given', async () => {
    const tasks = path.join(dir, 'tasks');
    const adapter = path.join(dir, 'shared-start');
    await mkdir(tasks, { recursive: true });
    await writeFile(path.join(tasks, 'upper.jsonl'), Array.from({ length: 12 }, (_, i) => JSON.stringify({ input: `w${i}`, output: [`W${i}`, 'other'] })).concat('{broken').join('\n'));
    expect((await capture(['adapt', model, '--examples', examples, '--kind', 'lora', '--out', adapter])).code).toBe(0);
    const from = args(path.join(dir, 'folder'), '--kind', 'lora', '--shared', adapter, '--json').map((a) => (a === '--generated' ? '--tasks' : a));
    from.splice(from.indexOf('--tasks') + 1, 0, tasks);
    const { code, out, err } = await capture(from);
    expect(code).toBe(0);
    expect(err).toContain('1 records');
    expect(err).toContain('upper.jsonl:13');
    expect(JSON.parse(out).tasks).toEqual(['upper']);
  });

  test.each([
    [['--at', '1,2'], 'ARGUMENT_RANGE'], [['--at', '0,2,2'], 'ARGUMENT_RANGE'], [['--rates', '0'], 'ARGUMENT_RANGE'], [['--seeds', '0'], 'ARGUMENT_RANGE'],
    [['--rates', 'fast'], 'ARGUMENT_INVALID'], [['--tasks', '/nowhere'], 'ARGUMENT_INVALID'],
  ])('%j is refused', async (more, code) => {
    const failed = await capture(args(path.join(dir, 'refused'), ...more, '--json'));
    expect(failed.code).toBe(2);
    expect(JSON.parse(failed.err).error.code).toBe(code);
  });
});
