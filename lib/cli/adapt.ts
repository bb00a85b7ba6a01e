/** `hypertune adapt`: a file of examples becomes an adapter folder. */
import type { Io } from './io.ts';
import { printJson, printLine } from './io.ts';
import type { ExampleOptions, ModelOptions } from './model.ts';
import { adaptFromFile, withModel } from './model.ts';
import { Progress } from './progress.ts';

export interface AdaptCommandOptions extends ExampleOptions, ModelOptions {
  out: string;
  json?: boolean;
  progress?: boolean;
}

export async function adapt(io: Io, folder: string, options: AdaptCommandOptions): Promise<void> {
  const progress = new Progress(io, options.progress);
  await withModel(io, progress, folder, options, async (model) => {
    const adapter = await adaptFromFile(io, progress, model, options);
    progress.report(`writing ${options.out}`);
    const format = await adapter.save(options.out);
    progress.clear();
    const { kind, parameters } = adapter;
    const report = adapter.source.report!;
    if (options.json) return printJson(io, { out: options.out, format, kind, parameters, ...report });
    return printLine(io, `${options.out}: ${kind} adapter (${format === 'peft' ? 'PEFT folder' : 'own format'}), ${parameters} values from ${report.used} examples (${report.tokens} tokens) in ${report.milliseconds.toFixed(0)} ms`);
  });
}
