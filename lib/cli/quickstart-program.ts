/** `npm run quickstart`: adapts the shipped model to tasks from their examples and shows what that changes. */
import path from 'node:path';
import { Command } from 'commander';
import type { QuickstartTask } from '../data/quickstart-tasks.ts';
import { quickstartTasks } from '../data/quickstart-tasks.ts';
import { HypertuneError } from '../engine/errors.ts';
import { packageRoot } from '../engine/package-root.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import { EXIT, fail } from './failure.ts';
import type { Io } from './io.ts';
import { checkAborted, printJson, printLine } from './io.ts';
import type { TaskResult } from './measure.ts';
import { measure } from './measure.ts';
import { withModel } from './model.ts';
import { Progress } from './progress.ts';
import { LEGEND, asJson, tableFoot, tableHead, tableRows } from './quickstart-report.ts';

interface QuickstartOptions {
  out: string;
  json?: boolean;
  progress?: boolean;
}

const WRITTEN: Record<HyperKind, string> = { lora: 'LoRA factors', prefix: 'prefixes', both: 'LoRA factors and prefixes' };
const SHIPPED = path.join(packageRoot(), 'weights', 'tiny');

/** Runs with the arguments after the script's name; returns the exit code and throws nothing. `tasks` are the shipped ones by default. */
export async function runQuickstart(argv: readonly string[], io: Io, tasks?: readonly QuickstartTask[]): Promise<number> {
  const json = argv.includes('--json');
  try {
    await new Command('quickstart')
      .description('Adapt the shipped model to ten tasks and print what that changes.')
      .argument('[model]', 'a folder with a T5 and hypermodels', SHIPPED)
      .option('--out <dir>', 'where one of the adapters is written as a PEFT folder', path.join('adapters', 'quickstart'))
      .option('--json', 'one JSON object on stdout')
      .option('--progress', 'progress on stderr even where that is no terminal')
      .exitOverride()
      .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => json || io.stderr.write(text) })
      .action((folder: string, options: QuickstartOptions) => quickstart(io, folder, options, tasks ?? quickstartTasks()))
      .parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return fail(io, error, json);
  }
}

async function quickstart(io: Io, folder: string, { out, json, progress: forced }: QuickstartOptions, tasks: readonly QuickstartTask[]): Promise<void> {
  const progress = new Progress(io, forced);
  const say = (text: string) => (json ? undefined : printLine(io, text));
  await withModel(io, progress, folder, {}, async (model) => {
    progress.clear();
    const { device, detail, threads, parameters } = model.info();
    const { kinds } = model;
    if (kinds.length === 0) throw new HypertuneError('CONFIG_UNSUPPORTED', `${folder} holds no hypermodel.`, { field: 'model', remedy: 'Take a folder with hyper-both, hyper-lora or hyper-prefix, such as weights/tiny.' });
    await say(`${path.relative('', folder) || '.'}: a T5 of ${(parameters / 1e6).toFixed(1)} M parameters on ${device} (${detail})${threads ? `, threads: ${threads}` : ''}`);
    const results: TaskResult[] = [];
    for (const kind of kinds) {
      const ofKind: TaskResult[] = [];
      await say(tableHead(`${kind}: ${WRITTEN[kind]} written by a hypermodel, in one forward pass per task of ${tasks[0].shots.length} examples`));
      progress.report(`${kind}: adapting to ${tasks.length} tasks`);
      for await (const result of measure(model, kind, tasks, io.signal)) {
        progress.clear();
        checkAborted(io);
        ofKind.push(result);
        await say(tableRows(result));
        progress.report(`${kind}: answering`, ofKind.length, tasks.length);
      }
      progress.clear();
      await say(tableFoot(ofKind));
      results.push(...ofKind);
    }
    await say(`\n${LEGEND}`);
    const written = await writeBest(model, results, out, io.signal);
    await say(`\n${out}: the ${written.kind} adapter of '${written.description}' as a ${written.format === 'peft' ? 'PEFT folder' : 'folder of our own format'}; read back, it gives ${written.same ? 'the same answers' : 'OTHER ANSWERS'}.`);
    if (json) await printJson(io, { model: folder, device, detail, threads, results: results.map(asJson), adapter: written });
  });
}

/** Saves the adapter that answered best, a LoRA one where there is one (PEFT holds every LoRA), and asks what was read back the same queries. */
async function writeBest(model: HyperT5, results: readonly TaskResult[], out: string, signal: AbortSignal): Promise<{ out: string; kind: string; task: string; description: string; format: string; same: boolean }> {
  const lora = results.filter(({ kind }) => kind === 'lora');
  const best = (lora.length ? lora : results).reduce((a, b) => (b.correct.adapted > a.correct.adapted ? b : a));
  const format = await best.adapter.save(out);
  const loaded = await model.loadAdapter(out);
  const answers = await model.generate(best.answered.map(({ query }) => query), { adapter: loaded, signal });
  const same = answers.every((answer, i) => answer === best.answered[i].answer);
  return { out, kind: best.kind, task: best.task.id, description: best.task.description, format, same };
}
