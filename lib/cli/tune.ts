/** `hypertune tune`: gradient steps on an adapter's values, the T5 frozen. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Adapter } from '../adapters/adapter.ts';
import { readExamples } from '../data/formats.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import type { Io } from './io.ts';
import { printJson, printLine, write } from './io.ts';
import { withModel } from './model.ts';
import { integer, number } from './options.ts';
import { Progress } from './progress.ts';

export interface TuneCommandOptions {
  examples: string;
  out: string;
  adapter?: string;
  kind?: 'lora' | 'prefix' | 'prompt';
  rank?: number;
  length?: number;
  steps?: number;
  learningRate?: number;
  batchRows?: number;
  weightDecay?: number;
  seed?: number;
  json?: boolean;
  progress?: boolean;
}

export function tuneOptions(command: Command): Command {
  return command.description('train an adapter on examples by gradient steps, the T5 frozen')
    .requiredOption('--examples <file>', 'JSON Lines of {"input": ..., "output": ...}')
    .requiredOption('--out <dir>', 'where to write the adapter')
    .option('--adapter <dir>', 'start: an adapter folder, e.g. one written by `adapt`')
    .addOption(new Option('--kind <kind>', 'start: a fresh adapter').choices(['lora', 'prefix', 'prompt']))
    .option('--rank <n>', 'with --kind lora', integer)
    .option('--length <n>', 'with --kind prefix or prompt: rows', integer)
    .option('--steps <n>', 'updates', integer)
    .option('--learning-rate <x>', 'default: by kind', number)
    .option('--batch-rows <n>', 'examples per update', integer)
    .option('--weight-decay <x>', 'default: none', number)
    .option('--seed <n>', 'of a fresh start and of the order of the examples', integer);
}

export async function tune(io: Io, folder: string, options: TuneCommandOptions): Promise<void> {
  checkOptions(options);
  const progress = new Progress(io, options.progress);
  const { steps = 100, learningRate, batchRows, weightDecay, seed, out, json } = options;
  await withModel(io, progress, folder, {}, async (model) => {
    const examples = await readExamples(options.examples);
    const start = await startOf(model, options);
    const losses: number[] = [];
    const tuned = await start.tune(examples, {
      steps, learningRate, batchRows, weightDecay, seed, signal: io.signal,
      onStep: ({ step, loss }) => {
        losses.push(loss);
        progress.report(`tuning, loss ${loss.toFixed(3)}, step`, step + 1, steps);
      },
    });
    progress.report(`writing ${out}`);
    const format = await tuned.save(out);
    progress.clear();
    const { kind, parameters, source } = tuned;
    const { truncatedQueries, truncatedAnswers } = source.tuning!;
    if (truncatedQueries || truncatedAnswers) await write(io.stderr, `note: of ${examples.length} examples, ${truncatedQueries} queries and ${truncatedAnswers} answers are longer than the model's window and were cut.\n`);
    const [first, last] = [losses[0], losses[losses.length - 1]];
    if (json) return printJson(io, { out, format, kind, parameters, ...source.tuning, steps, firstLoss: first, lastLoss: last });
    return printLine(io, `${out}: ${kind} adapter (${format === 'peft' ? 'PEFT folder' : 'own format'}), ${parameters} values after ${steps} steps on ${examples.length} examples, loss ${first.toFixed(3)} -> ${last.toFixed(3)}`);
  });
}

function checkOptions({ adapter, kind, rank, length }: TuneCommandOptions): void {
  const wrong = (field: string, message: string, remedy: string) => {
    throw new HypertuneError('ARGUMENT_INVALID', message, { field, remedy });
  };
  if (adapter === undefined && kind === undefined) wrong('--adapter', 'there is no start.', 'Give --adapter, or --kind for a fresh one.');
  if (adapter !== undefined && kind !== undefined) wrong('--kind', '--adapter and --kind exclude each other.', 'Give one of them.');
  if (rank !== undefined && kind !== 'lora') wrong('--rank', '--rank belongs to --kind lora.', 'Leave it out.');
  if (length !== undefined && kind !== 'prefix' && kind !== 'prompt') wrong('--length', '--length belongs to --kind prefix or prompt.', 'Leave it out.');
}

function startOf(model: HyperT5, { adapter, kind, rank, length, seed }: TuneCommandOptions): Promise<Adapter> {
  return adapter === undefined ? model.newAdapter({ kind: kind!, rank, length, seed }) : model.loadAdapter(adapter);
}
