/** `hypertune info`: what is in a model folder, and what it would run on. */
import type { ModelInfo } from '../hyper/hypert5.ts';
import type { Io } from './io.ts';
import { printJson, printLine } from './io.ts';
import type { ModelOptions } from './model.ts';
import { withModel } from './model.ts';
import { Progress } from './progress.ts';

export interface InfoOptions extends ModelOptions {
  json?: boolean;
  progress?: boolean;
}

export async function info(io: Io, folder: string, options: InfoOptions): Promise<void> {
  const progress = new Progress(io, options.progress);
  const found = await withModel(io, progress, folder, options, async (model) => model.info());
  if (options.json) await printJson(io, found);
  else await printLine(io, describe(found));
}

function describe({ folder, config, parameters, kinds, device, detail, threads, bytes, memoryBytes, note }: ModelInfo): string {
  const rows: [string, string][] = [
    ['model', folder],
    ['T5', `${millions(parameters)} parameters; ${config.numLayers}+${config.numDecoderLayers} blocks, width ${config.dModel}, ${config.numHeads} heads of ${config.dKv}, feed-forward ${config.dFf} (${config.feedForward}), vocabulary ${config.vocabSize}`],
    ...kinds.map((k): [string, string] => [`hyper-${k.kind}`, `${millions(k.parameters)} parameters`]),
    ...(kinds.length ? [] : [['hypermodels', 'none: this folder can answer and take PEFT adapters, not adapt'] as [string, string]]),
    ['device', `${device} (${detail})${threads ? `, ${threads} ${threads === 1 ? 'thread' : 'threads'}` : ''}${note ? `; ${note}` : ''}`],
    ['memory', `${megabytes(bytes)} in use, limit ${megabytes(memoryBytes)}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

const millions = (n: number) => `${(n / 1e6).toFixed(n < 1e7 ? 2 : 0)} M`;
const megabytes = (n: number) => `${Math.round(n / 2 ** 20)} MiB`;
