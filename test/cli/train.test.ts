import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { toyJson } from '../train/run/support.ts';
import { MAIN, ROOT, capture, linesOf, temporaryFolder } from './support.ts';

const folder = await temporaryFolder();

async function configFile(name: string, changes: Record<string, unknown> = {}): Promise<string> {
  const file = path.join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(toyJson(name, changes)));
  return file;
}

test('the plan, the progress and the model', async () => {
  const { code, out, err } = await capture(['train', await configFile('run', { validate: { every: 3, batches: 1 } })]);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^${path.join(folder, 'run/model')}: trained to step 6, last loss \\d\\.\\d{4}\\n$`));
  const lines = linesOf(err);
  expect(lines[0]).toBe(`run ${path.join(folder, 'run')}: steps 0 to 6, 12 rows each`);
  expect(lines[1]).toMatch(/^ {2}t5: [\d,]+ values trained, 0 frozen$/);
  expect(lines[3]).toMatch(/^ {2}memory: [\d.]+ MiB \(weights [\d.]+ MiB, optimiser [\d.]+ MiB, intermediates [\d.]+ MiB\)$/);
  expect(err).toMatch(/^step 1\/6 loss \d\.\d{3} \(text \d\.\d{3}, episodes \d\.\d{3}\) norm [\d.]+ lr \S+ \d+ tokens\/s, .* left$/m);
  expect(err).toMatch(/^about .* for the 3 steps that are left, by the first 3$/m);
  expect(err).toMatch(/^step 3: validation loss \d\.\d{4}, text \d\.\d{4}, episodes \d\.\d{4}$/m);
  expect(err).toMatch(/^step 6\/6 /m);
});

test('on a terminal the progress is one line that is rewritten', async () => {
  const { err } = await capture(['train', await configFile('terminal')], { terminal: true });
  expect(err).toMatch(/\r\u001b\[Kstep 1\/6 loss [^\n]* left(\r\u001b\[K|\n)/);
});

test('--json', async () => {
  const file = await configFile('json');
  const done = await capture(['train', '--json', file]);
  expect(JSON.parse(done.out)).toEqual({ output: path.join(folder, 'json'), model: path.join(folder, 'json/model'), step: 6, loss: expect.any(Number) as number });
  const again = await capture(['train', '--json', file]);
  expect(JSON.parse(again.out)).toMatchObject({ step: null, loss: null });
});

test('stages: the second starts from the model of the first', async () => {
  const first = await configFile('stage-1', { hyper: undefined, train: undefined, parts: [{ kind: 'text', rows: 4, data: [{ generated: {} }] }] });
  const second = await configFile('stage-2', { t5: { folder: 'stage-1/model' }, train: { t5: false }, parts: [{ kind: 'episodes', sets: 2, queriesPerSet: 2, data: [{ generated: {} }] }] });
  expect(await capture(['train', first, second])).toMatchObject({ code: 0 });
  // The T5 was frozen in the second stage, so its file is the first stage's.
  const [a, b] = await Promise.all([1, 2].map((n) => readFile(path.join(folder, `stage-${n}/model/model.safetensors`))));
  expect(a.equals(b)).toBe(true);
});

test('a mistake in any of the configurations shows before anything runs', async () => {
  const sound = await configFile('sound');
  const { code, err } = await capture(['train', sound, await configFile('wrong', { shedule: { steps: 1 } })]);
  expect(code).toBe(1);
  expect(err).toBe(`error CONFIG_INVALID: ${path.join(folder, 'wrong.json')}: there is no field shedule.\n  Is schedule meant?\n`);
  expect(await readdir(folder)).not.toContain('sound');
  expect((await capture(['train', path.join(folder, 'none.json')])).err).toMatch(/^error FILE_NOT_FOUND/);
});

test('an interrupt ends the step, writes a checkpoint and exits with 130', async () => {
  const file = await configFile('interrupted', { schedule: { peak: 1e-3, steps: 1_000_000 }, checkpoint: { every: 1_000_000 } });
  const child = spawn(process.execPath, [...MAIN, 'train', file], { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  let [err, sent] = ['', false];
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    if (!sent && /^step 1\//m.test(err)) sent = child.kill('SIGINT'); // a second one would kill it
  });
  expect(await once(child, 'close')).toEqual([130, null]);
  const [, done] = /error ABORTED: .* after step (\d+) of 1000000; a checkpoint is written\.\n {2}Start the same run again to continue\./.exec(err)!;
  expect(await readdir(path.join(folder, 'interrupted/checkpoints'))).toEqual([`step-${done.padStart(6, '0')}`]);
  expect(linesOf(await readFile(path.join(folder, 'interrupted/metrics.jsonl'), 'utf8'))).toHaveLength(Number(done));
});

test('the example: a hypermodel trained on a folder of tasks, broken lines and all', async () => {
  const root = path.join(folder, 'own');
  await mkdir(path.join(root, 'examples'), { recursive: true });
  await cp(path.join(ROOT, 'examples/train'), path.join(root, 'examples/train'), { recursive: true });
  await symlink(path.join(ROOT, 'weights'), path.join(root, 'weights'));
  const tasks = path.join(root, 'examples/train/tasks');
  await appendFile(path.join(tasks, 'longest-word.jsonl'), '{"input": "no output"}\n{"task": "longest-word", "inp\n\n');
  await writeFile(path.join(tasks, 'short.jsonl'), '{"input": "a b", "output": "b"}\n{"input": "c d", "output": "d"}\n');
  await writeFile(path.join(tasks, 'single.jsonl'), '{"input": "a b", "output": "b"}\n');
  await writeFile(path.join(tasks, 'nothing.jsonl'), '{"input": 1}\n');
  const { code, err } = await capture(['train', path.join(root, 'examples/train/own-tasks.json')]);
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  expect(err).toMatch(/note: .*3 of \d+ records cannot be read and are left out; the first: .*longest-word\.jsonl:25/);
  expect(err).toMatch(/note: .*task single has fewer than two different inputs and is left out/);
  expect(err).toMatch(/note: .*task short has too few examples/);
  const model = await HyperT5.load(path.join(root, 'runs/own-tasks/model'));
  expect(model.kinds).toEqual(['both', 'prefix', 'lora']);
  await model.dispose();
}, 300_000);
