import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { TINY, capture, temporaryFolder } from './support.ts';

const dir = await temporaryFolder();
const folder = path.join(dir, 'tasks');
await mkdir(folder);
const WORDS = ['member', 'often', 'society', 'pass', 'even', 'talk', 'odd', 'happy'];
const line = (task: string, i: number) => {
  const [a, b] = [WORDS[i % 8], WORDS[(i * 3 + 1) % 8]];
  const input = `${a} ${b} ${i}`;
  if (task === 'sign') return JSON.stringify({ task, input, output: i % 2 ? 'set' : 'right', options: ['right', 'set'] });
  return JSON.stringify({ task, input, output: task === 'first' ? a : [b, a] });
};
for (const task of ['first', 'second', 'sign']) await writeFile(path.join(folder, `${task}.jsonl`), `${Array.from({ length: 16 }, (_, i) => line(task, i)).join('\n')}\n`);
await writeFile(path.join(folder, 'index.json'), JSON.stringify([
  { task: 'first', kind: 'extract', definition: 'say the first' }, { task: 'second', kind: 'extract' }, { task: 'sign', kind: 'label' },
]));
const evaluation = (...more: string[]) => ['eval', TINY, '--tasks', folder, '--kinds', 'lora', '--shots', '3', '--queries', '2', ...more];

describe('eval', () => {
  test('prints a table per metric, writes numbers and a chart, twice the same', async () => {
    const [json, svg] = [path.join(dir, 'out', 'a.json'), path.join(dir, 'out', 'a.svg')];
    const argv = evaluation('--json', json, '--svg', svg, '--static-tasks', folder, '--static-count', '2');
    const first = await capture(argv);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^lora: exact match, %$/m);
    expect(first.out).toMatch(/^lora: ln p of the answer$/m);
    expect(first.out).toMatch(/^group +tasks +none +static +wrong +permuted +right +right-wrong +right-none +right-static +right-permuted +wins$/m);
    expect(first.out).toMatch(/^extract +2 +/m);
    expect(first.out).toMatch(/^all +3 .*\*/m);
    const text = await readFile(json, 'utf8');
    const report = JSON.parse(text);
    expect(report).toMatchObject({ protocol: 'default', settings: { shots: 3, queries: 2, seed: 1, adapterPer: 'task' }, kinds: ['lora'], command: ['hypertune', ...argv], tasks: 3, skipped: [] });
    expect(report.results.map(({ task, wrong }: { task: string; wrong?: string }) => [task, wrong])).toEqual([['first', 'second'], ['second', 'first'], ['sign', undefined]]);
    expect(report.summaries.at(-1).group).toBe('all');
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg[\s\S]*extract \(2\)[\s\S]*<\/svg>\n$/);
    expect((await capture(argv)).out).toBe(first.out);
    expect(await readFile(json, 'utf8')).toBe(text);
    expect((await readdir(path.join(dir, 'out'))).sort()).toEqual(['a.json', 'a.svg']);
  });

  test('an adapter folder as the static condition; other protocols, groups and filters', async () => {
    const adapter = path.join(dir, 'adapter');
    await capture(['adapt', TINY, '--examples', path.join(folder, 'first.jsonl'), '--out', adapter, '--kind', 'prefix']);
    const fixed = await capture(evaluation('--static', adapter, '--conditions', 'none,static', '--filter', 'kind=extract,kind=open', '--group', 'task'));
    expect(fixed).toMatchObject({ code: 0, err: '' });
    expect(fixed.out).toMatch(/^group +tasks +none +static$/m);
    expect(fixed.out).toMatch(/^first +1 /m);
    const metaicl = await capture(evaluation('--protocol', 'metaicl', '--adapter-per', 'instance'));
    expect(metaicl.out).toMatch(/worst draw/);
    expect(metaicl.out).toContain('Left out: 2 tasks; first first: no options to rank.');
    const sni = await capture(evaluation('--protocol', 'sni', '--shots', '0'));
    expect(sni.out).toMatch(/^lora: ROUGE-L, %$/m);
  });

  test('broken records are said on stderr', async () => {
    const broken = path.join(dir, 'broken');
    await mkdir(broken);
    await writeFile(path.join(broken, 'first.jsonl'), `${line('first', 0)}\n{"input": 3}\n${line('first', 1)}\n`);
    const { code, err } = await capture(['eval', TINY, '--tasks', broken, '--kinds', 'lora']);
    expect(code).toBe(0);
    expect(err).toMatch(/^note: 1 broken records? in .*first\.jsonl:2: .*\n$/);
  });

  test('generated tasks, with progress', async () => {
    const { code, out, err } = await capture(['eval', TINY, '--generated', '--limit', '1', '--queries', '1', '--kinds', 'lora', '--static-count', '2', '--progress']);
    expect(code).toBe(0);
    expect(out).toMatch(/^really new +1 /m);
    expect(err).toMatch(/^answering (\d+)\/\1, /m);
  });
});

describe('what cannot be evaluated', () => {
  test.each<[string, string[], number, string]>([
    ['no tasks', ['eval', TINY], 2, 'ARGUMENT_INVALID'],
    ['two sources', evaluation('--generated'), 2, 'ARGUMENT_INVALID'],
    ['an absent folder', ['eval', TINY, '--tasks', path.join(dir, 'absent')], 1, 'FILE_NOT_FOUND'],
    ['an absent index', evaluation('--index', path.join(dir, 'absent.json')), 1, 'FILE_NOT_FOUND'],
    ['an absent model', ['eval', path.join(dir, 'absent'), '--tasks', folder], 1, 'FILE_NOT_FOUND'],
    ['an absent adapter', evaluation('--static', path.join(dir, 'absent')), 1, 'FILE_NOT_FOUND'],
    ['a field that no task has', evaluation('--filter', 'colour=red'), 2, 'ARGUMENT_INVALID'],
    ['static without a source', evaluation('--conditions', 'static'), 2, 'ARGUMENT_INVALID'],
    ['two static sources', evaluation('--static', 'x', '--static-tasks', 'y'), 2, 'ARGUMENT_INVALID'],
    ['no shot', evaluation('--shots', '0'), 2, 'ARGUMENT_RANGE'],
    ['a limit of nothing', evaluation('--limit', '0'), 2, 'ARGUMENT_RANGE'],
    ['a negative seed', evaluation('--seed', '-1'), 2, 'ARGUMENT_RANGE'],
    ['nothing to rank', evaluation('--protocol', 'p3', '--filter', 'kind=extract'), 2, 'ARGUMENT_INVALID'],
    ['a report below a file', evaluation('--svg', path.join(folder, 'first.jsonl', 'a.svg')), 1, 'FILE_IO'],
  ])('%s', async (_, argv, code, error) => {
    const { code: exit, err, out } = await capture(argv);
    expect({ exit, out }).toEqual({ exit: code, out: '' });
    expect(err).toContain(`error ${error}: `);
  });

  test.each([['--kinds', 'lora,tall'], ['--conditions', 'left'], ['--filter', 'kind'], ['--filter', 'kind='], ['--protocol', 'x'], ['--adapter-per', 'x'], ['--match', 'x'], ['--queries', 'many']])('%s %s is wrong usage', async (option, value) => {
    const { code, err } = await capture(evaluation(option, value));
    expect(code).toBe(2);
    expect(err).toContain(option);
  });

  test('an interrupt ends it with 130 and writes nothing', async () => {
    const abort = new AbortController();
    abort.abort();
    const { code, out } = await capture(evaluation('--json', path.join(dir, 'never.json')), { signal: abort.signal });
    expect({ code, out }).toEqual({ code: 130, out: '' });
    expect(await readdir(dir)).not.toContain('never.json');
  });
});
