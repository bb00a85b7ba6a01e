/** `hypertune experiment initialization`: generated against shared and random starts of tuning. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Adapter } from '../adapters/adapter.ts';
import { Universe } from '../data/families/universe.ts';
import { mixSources, taskList } from '../data/task.ts';
import { openTasks } from '../data/open-tasks.ts';
import type { FolderTask } from '../data/task-collector.ts';
import { HypertuneError } from '../engine/errors.ts';
import { STARTS, compareStarts } from '../eval/initialization.ts';
import type { StartSettings, StartTask } from '../eval/initialization.ts';
import { startChart } from '../eval/initialization-chart.ts';
import { RunLog } from '../eval/initialization-log.ts';
import { trainShared } from '../eval/initialization-shared.ts';
import { summarizeStarts } from '../eval/initialization-summary.ts';
import { startTable } from '../eval/initialization-table.ts';
import { chooseTasks, generatedTasks } from '../eval/initialization-tasks.ts';
import { atomicWrite, atomicWriteJson } from '../files/atomic.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import type { Io } from './io.ts';
import { printJson, printLine, write } from './io.ts';
import { withModel } from './model.ts';
import { integer, kindOption, number } from './options.ts';
import { Progress } from './progress.ts';

export interface InitializationOptions {
  tasks?: string;
  generated?: boolean;
  index?: string;
  out: string;
  kind?: HyperKind;
  shared?: string;
  trainTasks?: string;
  sharedSteps: number;
  limit: number;
  maxInputWords: number;
  maxOutputWords: number;
  shots: number;
  queries: number;
  seeds: number;
  rates?: number[];
  at: number[];
  batchRows: number;
  seed: number;
  json?: boolean;
  progress?: boolean;
}

const AT = [0, 5, 10, 20, 50, 100];
const RATES: Record<HyperKind, number[]> = { lora: [1e-3, 5e-3, 2e-2], prefix: [3e-3, 1e-2, 3e-2], both: [1e-3, 5e-3, 2e-2] };

export function initializationOptions(command: Command): Command {
  return command.description('does a generated adapter start tuning better than a shared or a random one?')
    .option('--tasks <dir>', 'a folder of held-out tasks')
    .option('--generated', 'generated tasks instead: new parameters and new compositions')
    .requiredOption('--out <dir>', 'where results go; a stopped experiment goes on from there')
    .option('--index <file>', 'index of the tasks (default: index.json in their folder or above it, where there is one)')
    .addOption(kindOption())
    .option('--shared <dir>', 'the shared start: an adapter folder (default: trained on generated tasks, and on --train-tasks)')
    .option('--train-tasks <dir>', 'tasks that the shared start is trained on too')
    .option('--shared-steps <n>', 'steps of its training', integer, 600)
    .option('--limit <n>', 'most tasks', integer, 12)
    .option('--max-input-words <n>', 'leave out tasks of longer inputs on average', number, 8)
    .option('--max-output-words <n>', 'leave out tasks of longer answers on average', number, 4)
    .option('--shots <n>', 'examples of a task', integer, 16)
    .option('--queries <n>', 'held-out queries of a task', integer, 24)
    .option('--seeds <n>', 'draws of examples and random starts', integer, 5)
    .option('--rates <list>', 'learning rates, e.g. 1e-3,3e-3 (default: by kind)', numbers)
    .option('--at <list>', 'steps at which the queries are asked; the last ends the tuning', numbers, AT)
    .option('--batch-rows <n>', 'examples per update', integer, 8)
    .option('--seed <n>', 'of all draws', integer, 1);
}

export async function initialization(io: Io, folder: string, options: InitializationOptions): Promise<void> {
  check(options);
  const progress = new Progress(io, options.progress);
  const started = performance.now();
  let made: Universe | undefined;
  const universe = () => (made ??= new Universe());
  await withModel(io, progress, folder, {}, async (model) => {
    const kind = options.kind ?? model.kinds[0] ?? 'lora';
    const { shots, queries, seeds, at, batchRows, seed, out } = options;
    const settings: StartSettings = { kind, shots, queries, seeds, rates: options.rates ?? RATES[kind], at, batchRows, seed };
    const tasks = options.tasks === undefined ? generatedTasks(universe(), options) : chooseTasks(await readTasks(io, options.tasks, options.index), options);
    const log = await RunLog.open(path.join(out, 'runs.jsonl'), { model: path.resolve(folder), ...settings, shared: options.shared ?? `${options.sharedSteps} steps`, tasks: tasks.map(({ id }) => id) });
    const shared = options.shared === undefined ? await sharedStart(io, progress, model, universe, tasks[0], settings, options) : await model.loadAdapter(options.shared);
    const total = tasks.length * seeds * STARTS.length;
    for await (const run of compareStarts(model, tasks, settings, { shared, done: log.runs, signal: io.signal })) {
      await log.append(run);
      progress.report(`${run.task}, seed ${run.seed}, ${run.start}`, log.runs.length, total);
    }
    const report = summarizeStarts(log.runs, settings);
    const result = { model: folder, settings, seconds: Math.round((performance.now() - started) / 1000), ...report };
    await atomicWriteJson(path.join(out, 'result.json'), result);
    await atomicWrite(path.join(out, 'curves.svg'), startChart(report, settings));
    progress.clear();
    if (options.json) return printJson(io, result);
    return printLine(io, `${startTable(report)}${out}: runs.jsonl, result.json, curves.svg`);
  });
}

/** Trained by an earlier call, or now. It is read back in both cases, so that a continued experiment has the same. */
async function sharedStart(io: Io, progress: Progress, model: HyperT5, universe: () => Universe, task: StartTask, { kind, shots, seed }: StartSettings, { out, trainTasks, sharedSteps }: InitializationOptions): Promise<Adapter> {
  const dir = path.join(out, 'shared');
  if (!(await exists(dir))) {
    const generated = universe().trained;
    const source = trainTasks === undefined ? generated : mixSources([{ source: generated, weight: 0.5 }, { source: taskList(await readTasks(io, trainTasks, undefined)), weight: 0.5 }]);
    const like = await model.adapt(task.support.slice(0, shots), { kind, signal: io.signal });
    const trained = await trainShared(model, like, source, { steps: sharedSteps, seed, signal: io.signal, onStep: (done, total) => progress.report('training the shared start', done, total) });
    await trained.save(dir);
    like.dispose();
    trained.dispose();
  }
  return model.loadAdapter(dir);
}

/** Says on stderr what could not be read. */
async function readTasks(io: Io, folder: string, index: string | undefined): Promise<FolderTask[]> {
  const { tasks, report } = await openTasks(folder, { index });
  if (report.broken) await write(io.stderr, `note: ${report.broken} records of ${folder} are broken and were left out, the first: ${report.problems[0].file}:${report.problems[0].line}: ${report.problems[0].message}\n`);
  return tasks;
}

function check({ tasks, generated, at, rates, seeds, limit, shots, queries, batchRows, sharedSteps, seed }: InitializationOptions): void {
  if ((tasks === undefined) === !generated) {
    throw new HypertuneError('ARGUMENT_INVALID', tasks === undefined ? 'there are no tasks.' : '--tasks and --generated exclude each other.', { field: '--tasks', remedy: 'Give one of --tasks and --generated.' });
  }
  const range = (field: string, message: string) => {
    throw new HypertuneError('ARGUMENT_RANGE', message, { field });
  };
  for (const [field, value] of Object.entries({ seeds, limit, shots, queries, 'batch-rows': batchRows, 'shared-steps': sharedSteps })) if (value < 1) range(`--${field}`, `expected a positive number, got ${value}.`);
  if (seed < 0) range('--seed', `expected 0 or more, got ${seed}.`);
  if (at.length < 2 || at[0] !== 0 || at.some((step, i) => !Number.isInteger(step) || (i > 0 && step <= at[i - 1]))) range('--at', 'expected ascending whole numbers from 0, at least two.');
  if (rates?.some((rate) => !(rate > 0))) range('--rates', 'expected numbers above 0.');
}

function numbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.some((value, i) => !Number.isFinite(value) || text.split(',')[i].trim() === '')) throw new InvalidArgumentError('Numbers with commas between them are expected.');
  return values;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(() => true, () => false);
}
