/** `hypertune eval`: does what the hypermodel reads help, and does it matter what it reads? */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { HypertuneError } from '../engine/errors.ts';
import { evaluationChart } from '../eval/chart.ts';
import { limitTasks } from '../eval/draws.ts';
import { evaluate } from '../eval/evaluate.ts';
import type { Evaluation, StaticSource } from '../eval/evaluate.ts';
import { readEvalTasks } from '../eval/folder-tasks.ts';
import type { FolderOptions, FolderTasks, TaskFilter } from '../eval/folder-tasks.ts';
import { generatedTasks, generatedTraining } from '../eval/generated-tasks.ts';
import { HyperT5Subject } from '../eval/hypert5-subject.ts';
import type { AnswerForm } from '../eval/metrics/exact-match.ts';
import { PROTOCOLS } from '../eval/protocols/index.ts';
import type { ProtocolName } from '../eval/protocols/index.ts';
import type { MetricName } from '../eval/scores.ts';
import type { EvalTask, Skipped } from '../eval/task.ts';
import type { Condition } from '../eval/trial.ts';
import { atomicWrite } from '../files/atomic.ts';
import type { HyperKind } from '../hyper/config.ts';
import { conditionList, kindList, taskFilter } from './eval-options.ts';
import { METRIC_NAMES, evaluationJson, evaluationTables } from './eval-report.ts';
import type { Io } from './io.ts';
import { checkAborted, printLine, write } from './io.ts';
import type { ModelOptions } from './model.ts';
import { withModel } from './model.ts';
import { dtypeOption, integer } from './options.ts';
import { Progress } from './progress.ts';

export interface EvalCommandOptions extends ModelOptions {
  tasks?: string;
  generated?: boolean;
  index?: string;
  filter?: TaskFilter;
  group?: string;
  protocol: ProtocolName;
  kinds?: HyperKind[];
  conditions?: Condition[];
  shots?: number;
  queries?: number;
  adapterPer?: 'task' | 'instance';
  limit?: number;
  seed?: number;
  match?: AnswerForm;
  static?: string;
  staticTasks?: string;
  staticCount: number;
  batch?: number;
  json?: string;
  svg?: string;
  progress?: boolean;
}

/** Adds the options of the command. */
export function evalOptions(command: Command): Command {
  return command.description('measure adapters of right, wrong and no evidence on many tasks')
    .option('--tasks <folder>', 'a folder or file of tasks: JSON Lines (also .gz), Super-NaturalInstructions, CSV, Parquet')
    .option('--generated', 'the generated tasks of training, and others of their kinds')
    .option('--index <file>', 'what is known of the tasks (default: index.json in the folder or beside it)')
    .option('--filter <field=value,...>', 'only these tasks; values of one field are alternatives', taskFilter)
    .option('--group <field>', 'field of the index by which results are grouped (default: kind)')
    .addOption(new Option('--protocol <name>', 'what is drawn and measured').choices(Object.keys(PROTOCOLS)).default('default'))
    .option('--kinds <kind,...>', 'of lora, prefix, both (default: all that the model can)', kindList)
    .option('--conditions <name,...>', 'of none, in-context, static, wrong, permuted, right (default: the protocol\'s)', conditionList)
    .option('--shots <n>', 'examples per adapter; under sni: positive examples behind the definition', integer)
    .option('--queries <n>', 'most queries per task', integer)
    .addOption(new Option('--adapter-per <unit>', 'one adapter for all queries of a task, or one for each').choices(['task', 'instance']))
    .option('--limit <n>', 'most tasks per group (default: all; of generated tasks 20)', integer)
    .option('--seed <n>', 'of everything that is drawn', integer)
    .addOption(new Option('--match <form>', 'what counts as an exact match').choices(['plain', 'squad']))
    .option('--static <adapter>', 'an adapter folder for condition static')
    .option('--static-tasks <folder>', 'tasks of training; the mean of their adapters is condition static')
    .option('--static-count <n>', 'adapters in that mean', integer, 64)
    .option('--batch <n>', 'queries per call', integer)
    .addOption(dtypeOption())
    .option('--json <file>', 'write all numbers; errors come as JSON on stderr')
    .option('--svg <file>', 'write a chart')
    .option('--progress', 'progress on stderr even where that is no terminal');
}

export async function evalCommand(io: Io, folder: string, argv: readonly string[], version: string, options: EvalCommandOptions): Promise<void> {
  checkOptions(options);
  const protocol = PROTOCOLS[options.protocol];
  const { seed, shots, queries, adapterPer, kinds, conditions, batch, match: form } = options;
  for (const file of [options.json, options.svg]) if (file) await makeFolder(file);
  const progress = new Progress(io, options.progress);
  progress.report('reading tasks');
  const { tasks, skipped } = await tasksOf(io, options, seed ?? protocol.defaults.seed);
  const fixed = await staticOf(io, options, seed ?? protocol.defaults.seed);
  checkAborted(io);
  await withModel(io, progress, folder, options, async (model) => {
    const found = await evaluate(new HyperT5Subject(model), tasks, {
      protocol, seed, shots, queries, adapterPer, kinds, conditions, batch, form, static: fixed, signal: io.signal,
      onProgress: (done, total) => progress.report('answering', done, total),
    });
    progress.clear();
    const evaluation = { ...found, skipped: [...skipped, ...found.skipped] };
    await printLine(io, evaluationTables(evaluation, protocol));
    const { device, detail, parameters } = model.info();
    const about = { command: ['hypertune', ...argv], version, model: { folder, device, detail, parameters, kinds: model.kinds }, tasks: tasks.length };
    if (options.json) await atomicWrite(options.json, evaluationJson(evaluation, about));
    if (options.svg) await atomicWrite(options.svg, evaluationChart(titleOf(evaluation, protocol.primary), evaluation.summaries, protocol.primary));
  });
}

function checkOptions({ tasks, generated, index, filter, group, limit, batch, conditions, staticCount, ...rest }: EvalCommandOptions): void {
  const wrong = (field: string, message: string, remedy: string) => {
    throw new HypertuneError('ARGUMENT_INVALID', message, { field, remedy });
  };
  if (!tasks === !generated) wrong('--tasks', 'one of --tasks and --generated is expected.', 'Name a folder of tasks, or take the generated ones.');
  if (generated && (index || filter || group)) wrong('--generated', '--index, --filter and --group belong to --tasks.', 'Leave them out.');
  if (rest.static && rest.staticTasks) wrong('--static', '--static and --static-tasks exclude each other.', 'Give one of them.');
  if (conditions?.includes('static') && !rest.static && !rest.staticTasks && !generated) wrong('--conditions', 'condition static needs --static or --static-tasks.', 'Give an adapter, or tasks of training to average over.');
  for (const [field, value] of [['--limit', limit], ['--batch', batch], ['--static-count', staticCount]] as const) {
    if (value !== undefined && value < 1) throw new HypertuneError('ARGUMENT_RANGE', `expected a whole number from 1 on, got ${value}.`, { field });
  }
}

async function tasksOf(io: Io, { tasks, index, group, filter, limit, queries }: EvalCommandOptions, seed: number): Promise<{ tasks: EvalTask[]; skipped: readonly Skipped[] }> {
  if (tasks === undefined) return { tasks: generatedTasks({ tasksPerGroup: limit, queries, seed }), skipped: [] };
  const found = await readFolder(io, tasks, { index, group, filter });
  return { tasks: limit === undefined ? found.tasks : limitTasks(found.tasks, limit, seed), skipped: found.skipped };
}

/** Says on stderr what could not be read. */
async function readFolder(io: Io, folder: string, options: FolderOptions): Promise<FolderTasks> {
  const found = await readEvalTasks(folder, { ...options, signal: io.signal });
  const [first] = found.problems;
  if (found.broken) await write(io.stderr, `note: ${found.broken} broken records in ${folder} were left out${first ? `; the first: ${first.file}:${first.line}: ${first.message}` : ''}.\n`);
  return found;
}

/** Generated tasks have their own tasks of training. */
async function staticOf(io: Io, options: EvalCommandOptions, seed: number): Promise<StaticSource | undefined> {
  const { staticTasks, staticCount: count, generated } = options;
  if (options.static) return { folder: options.static };
  if (staticTasks) return { tasks: (await readFolder(io, staticTasks, {})).tasks, count };
  return generated ? { tasks: generatedTraining(count, seed), count } : undefined;
}

function titleOf({ protocol, results }: Evaluation, metric: MetricName): string {
  const tasks = new Set(results.map(({ task }) => task)).size;
  return `${METRIC_NAMES[metric]}: means and 95 % intervals (protocol ${protocol}, tasks: ${tasks})`;
}

/** Before hours are spent on what is to stand there. */
async function makeFolder(file: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
  } catch (cause) {
    throw new HypertuneError('FILE_IO', `there can be no folder ${path.dirname(file)}: ${(cause as Error).message}.`, { field: 'file', remedy: 'Name a file in a folder that can be written.', cause });
  }
}
