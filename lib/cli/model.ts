/** What the commands do with a model. */
import type { Adapter } from '../adapters/adapter.ts';
import { readExamples } from '../data/formats.ts';
import type { HyperKind } from '../hyper/config.ts';
import { HyperT5 } from '../hyper/hypert5.ts';
import type { WeightType } from '../t5/parameters.ts';
import type { Io } from './io.ts';
import { checkAborted, write } from './io.ts';
import type { Progress } from './progress.ts';

export interface ModelOptions {
  dtype?: WeightType;
}

/** Loads a model for the time of `use`; an interrupt ends the loading too. */
export async function withModel<T>(io: Io, progress: Progress, folder: string, { dtype }: ModelOptions, use: (model: HyperT5) => Promise<T>): Promise<T> {
  checkAborted(io);
  const model = await HyperT5.load(folder, {
    dtype,
    onProgress: (done, total) => {
      checkAborted(io);
      progress.report(`loading ${folder}`, done, total);
    },
  });
  try {
    return await use(model);
  } finally {
    await model.dispose();
    progress.clear();
  }
}

export interface ExampleOptions {
  examples: string;
  kind?: HyperKind;
  definition?: string;
}

/** An adapter from a file of examples; says on stderr what of it the hypermodel did not read. */
export async function adaptFromFile(io: Io, progress: Progress, model: HyperT5, { examples: file, kind, definition }: ExampleOptions): Promise<Adapter> {
  const examples = await readExamples(file);
  progress.report(`reading ${examples.length} examples`);
  const adapter = await model.adapt(examples, { kind, definition, signal: io.signal });
  progress.clear();
  const { dropped, truncated } = adapter.source.report!;
  if (dropped) await write(io.stderr, `note: ${dropped} of ${examples.length} examples in ${file} did not fit the hypermodel's window and were left out.\n`);
  if (truncated) await write(io.stderr, `note: ${file} is longer than the hypermodel's window and lost its end.\n`);
  return adapter;
}
