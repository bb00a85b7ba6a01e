/** The `hypertune` command: options, help, exit codes. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../engine/package-root.ts';
import { adapt } from './adapt.ts';
import { evalCommand, evalOptions } from './eval.ts';
import { EXIT, fail } from './failure.ts';
import { initialization, initializationOptions } from './experiment.ts';
import { generate } from './generate.ts';
import { info } from './info.ts';
import type { Io } from './io.ts';
import { collect, dtypeOption, integer, kindOption, number } from './options.ts';
import { trainCommand } from './train.ts';
import { tune, tuneOptions } from './tune.ts';

const MODEL = 'a T5 folder as Hugging Face writes it; hypermodels lie in its hyper-lora and hyper-prefix';

/** Runs the command with the arguments after its name; returns the exit code and throws nothing. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const json = argv.includes('--json');
  try {
    await program(io, argv, json).parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return fail(io, error, json);
  }
}

function program(io: Io, argv: readonly string[], json: boolean): Command {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  const root = new Command('hypertune')
    .description('Adapt a frozen T5 to a task from a handful of examples, without gradient steps.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // With --json the error comes as an object instead (failure.ts).
      writeErr: (text) => json || io.stderr.write(text),
    })
    .showHelpAfterError('(add --help for usage)');

  common(root.command('info').description('what a model folder holds and what it runs on').argument('<model>', MODEL).addOption(dtypeOption())).action((model: string, options) => info(io, model, options));

  common(
    root.command('adapt').description('turn examples into an adapter folder').argument('<model>', MODEL)
      .requiredOption('--examples <file>', 'JSON Lines of {"input": ..., "output": ...}')
      .requiredOption('--out <dir>', 'where to write the adapter; a Hugging Face PEFT folder where that format can hold it')
      .addOption(kindOption())
      .addOption(dtypeOption())
      .option('--definition <text>', 'a description of the task, read before the examples'),
  ).action((model: string, options) => adapt(io, model, options));

  common(
    root.command('generate').description('answer queries').argument('<model>', MODEL).argument('[query...]', 'queries; absent: one per line from --input or stdin')
      .option('--adapter <dir>', 'an adapter folder: PEFT (LoRA, prompt or prefix tuning) or written by `adapt`')
      .option('--examples <file>', 'adapt to these examples first')
      .addOption(kindOption())
      .addOption(dtypeOption())
      .option('--definition <text>', 'a description of the task, read before the examples')
      .option('--input <file>', 'one query per line')
      .option('--max-new-tokens <n>', 'longest answer', integer)
      .option('--beams <n>', 'beam search with so many beams', integer)
      .option('--sample', 'draw tokens instead of taking the likeliest')
      .option('--temperature <t>', 'with --sample', number)
      .option('--top-k <k>', 'with --sample: only the k likeliest tokens', integer)
      .option('--top-p <p>', 'with --sample: only the likeliest tokens that make up p', number)
      .option('--seed <n>', 'with --sample: equal seeds give equal answers', integer)
      .option('--stop <text>', 'end answers in front of this text; may be given several times', collect)
      .option('--stream', 'print each answer as its tokens come'),
  ).action((model: string, queries: string[], options) => generate(io, model, queries, options));

  root.command('train').description('run a training, or continue one where it was stopped').argument('<config...>', 'configuration files; several run one after the other')
    .option('--json', 'the result as JSON on stdout; errors as JSON on stderr')
    .action((configs: string[], options) => trainCommand(io, configs, options));

  common(tuneOptions(root.command('tune').argument('<model>', MODEL))).action((model: string, options) => tune(io, model, options));

  const experiment = root.command('experiment').description('experiments that compare ways of adaptation');
  common(initializationOptions(experiment.command('initialization').argument('<model>', MODEL))).action((model: string, options) => initialization(io, model, options));
  evalOptions(root.command('eval').argument('<model>', MODEL)).action((model: string, options) => evalCommand(io, model, argv, version, options));
  return root;
}

function common(command: Command): Command {
  return command.option('--json', 'JSON on stdout, one object per line; errors as JSON on stderr').option('--progress', 'progress on stderr even where that is no terminal');
}
