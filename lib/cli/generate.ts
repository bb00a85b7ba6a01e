/** `hypertune generate`: answers to queries from the command line, a file or stdin. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Adapter } from '../adapters/adapter.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { HyperT5, TextGenerateOptions } from '../hyper/hypert5.ts';
import type { Io } from './io.ts';
import { checkAborted, printJson, printLine, write } from './io.ts';
import type { ExampleOptions, ModelOptions } from './model.ts';
import { adaptFromFile, withModel } from './model.ts';
import { Progress } from './progress.ts';
import { StopStream, cutAtStop } from './stop-texts.ts';

export interface GenerateCommandOptions extends Partial<ExampleOptions>, ModelOptions {
  adapter?: string;
  input?: string;
  maxNewTokens?: number;
  beams?: number;
  sample?: boolean;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
  stop?: string[];
  stream?: boolean;
  json?: boolean;
  progress?: boolean;
}

/** Queries that are answered together. */
const BATCH = 32;

export async function generate(io: Io, folder: string, queries: readonly string[], options: GenerateCommandOptions): Promise<void> {
  checkOptions(queries, options);
  const progress = new Progress(io, options.progress);
  await withModel(io, progress, folder, options, async (model) => {
    const { examples } = options;
    const adapter = examples ? await adaptFromFile(io, progress, model, { ...options, examples }) : options.adapter ? await model.loadAdapter(options.adapter) : undefined;
    const answer = options.stream ? streamed : batched;
    // A person at a terminal waits for each answer; a file's lines go in batches.
    const size = options.stream || (!queries.length && !options.input && io.stdin.isTTY) ? 1 : BATCH;
    let done = 0;
    for await (const batch of batches(source(io, queries, options.input), size)) {
      checkAborted(io);
      progress.report('answering', done, queries.length || undefined);
      await answer(io, progress, model, batch, done, adapter, options);
      done += batch.length;
    }
    checkAborted(io);
  });
}

function checkOptions(queries: readonly string[], { adapter, examples, input, kind, definition, stream, beams, sample, ...rest }: GenerateCommandOptions): void {
  const wrong = (field: string, message: string, remedy: string) => {
    throw new HypertuneError('ARGUMENT_INVALID', message, { field, remedy });
  };
  if (adapter && examples) wrong('--adapter', '--adapter and --examples exclude each other.', 'Give one of them.');
  if (!examples && (kind || definition)) wrong('--examples', `${kind ? '--kind' : '--definition'} belongs to --examples, which is absent.`, 'Give a file of examples too.');
  if (input && queries.length) wrong('--input', '--input and queries on the command line exclude each other.', 'Give one of them.');
  if (stream && (beams ?? 1) > 1) wrong('--stream', '--stream cannot show the tokens of a beam search.', 'Leave out --stream or --beams.');
  if (!sample && (rest.temperature ?? rest.topK ?? rest.topP ?? rest.seed) !== undefined) wrong('--sample', '--temperature, --top-k, --top-p and --seed need --sample.', 'Add --sample.');
}

/** Each query has a seed of its own, so that its answer does not depend on how many came before it in the batch. */
function decoding({ maxNewTokens, beams, sample, temperature, topK, topP, seed }: GenerateCommandOptions, first: number, count: number): TextGenerateOptions {
  const seeds = seed === undefined ? undefined : Array.from({ length: count }, (_, i) => seed + first + i);
  return { maxNewTokens, numBeams: beams, doSample: sample, temperature, topK, topP, seed: seeds };
}

async function batched(io: Io, progress: Progress, model: HyperT5, queries: readonly string[], first: number, adapter: Adapter | undefined, options: GenerateCommandOptions): Promise<void> {
  const results = await model.generateDetailed(queries, { ...decoding(options, first, queries.length), adapter, signal: io.signal });
  progress.clear();
  for (const [i, { text, ids, score, truncated }] of results.entries()) {
    const answer = cutAtStop(text, options.stop ?? []);
    if (options.json) await printJson(io, { query: queries[i], answer, tokens: ids.length, score, truncated });
    else await printLine(io, answer);
    if (truncated) await write(io.stderr, `note: query ${first + i + 1} is longer than the model's window and lost its beginning.\n`);
  }
}

async function streamed(io: Io, progress: Progress, model: HyperT5, [query]: readonly string[], first: number, adapter: Adapter | undefined, options: GenerateCommandOptions): Promise<void> {
  const stop = new StopStream(options.stop ?? []);
  let answer = '';
  const show = async (piece: string) => {
    if (!piece) return;
    answer += piece;
    await (options.json ? printJson(io, { query, piece }) : write(io.stdout, piece));
  };
  for await (const piece of model.stream(query, { ...decoding(options, first, 1), adapter, signal: io.signal })) {
    progress.clear();
    await show(stop.push(piece));
    if (stop.ended) break;
  }
  await show(stop.end());
  await (options.json ? printJson(io, { query, answer }) : printLine(io, ''));
}

async function* source(io: Io, queries: readonly string[], input: string | undefined): AsyncGenerator<string> {
  if (queries.length) yield* queries;
  else yield* lines(io, input === undefined ? io.stdin : createReadStream(input), input);
}

/** One query per line; an empty line is an empty query, so that answers keep the line numbers of their queries. */
async function* lines(io: Io, from: Readable, file: string | undefined): AsyncGenerator<string> {
  const reader = createInterface({ input: from, crlfDelay: Infinity, signal: io.signal });
  try {
    yield* reader;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const where = file ?? 'stdin';
    if (code === 'ENOENT') throw new HypertuneError('FILE_NOT_FOUND', `${where} does not exist.`, { field: '--input', remedy: 'Give a file with one query per line.', cause });
    throw new HypertuneError('FILE_IO', `cannot read ${where}: ${message}.`, { field: '--input', remedy: 'Give a file with one query per line.', cause });
  }
}

async function* batches(queries: AsyncIterable<string>, size: number): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const query of queries) {
    batch.push(query);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length) yield batch;
}
