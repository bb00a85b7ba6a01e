/** Examples as rows of tuning steps. */
import { checkExamples } from '../data/check-examples.ts';
import type { TokenEncoder } from '../data/encoder.ts';
import { answerLabels, queryInput } from '../data/hyper-input.ts';
import { pack, shiftRight } from '../data/packing.ts';
import { Random } from '../data/random.ts';
import type { Example } from '../data/task.ts';
import type { BatchCapacity, TextRows } from './objectives.ts';

/** Longest query and answer, in tokens; queries lose their beginning, answers their end. */
export interface TextWindow {
  queryTokens: number;
  answerTokens: number;
  /** Whether queries end with EOS. */
  queryEos: boolean;
}

export interface RowOptions {
  rows: number;
  seed: number;
  /** Ids in front of every query: a soft prompt. */
  prompt: Int32Array;
  /** First decoder input, T5's start token. */
  startId: number;
}

/** Batches of `rows` examples: every example once per pass, each pass in another order. */
export class ExampleRows {
  readonly truncatedQueries: number;
  readonly truncatedAnswers: number;
  private readonly sources: readonly Int32Array[];
  private readonly labels: readonly Int32Array[];
  private readonly options: RowOptions;
  private pass = -1;
  private order: readonly number[] = [];

  /** Throws EXAMPLES_EMPTY or ARGUMENT_INVALID. A batch never holds an example twice unless passes meet in it. */
  constructor(encoder: TokenEncoder, examples: readonly Example[], { queryTokens, answerTokens, queryEos }: TextWindow, options: RowOptions) {
    checkExamples(examples, 'examples');
    const queries = examples.map(({ input }) => queryInput(encoder, input, { maxTokens: queryTokens, eos: queryEos }));
    const answers = examples.map(({ output }) => answerLabels(encoder, output, { maxTokens: answerTokens }));
    this.sources = queries.map(({ ids }) => Int32Array.from([...options.prompt, ...ids]));
    this.labels = answers.map(({ ids }) => ids);
    this.truncatedQueries = queries.filter(({ truncated }) => truncated).length;
    this.truncatedAnswers = answers.filter(({ truncated }) => truncated).length;
    this.options = { ...options, rows: Math.min(options.rows, examples.length) };
  }

  /** Room for any batch. */
  get capacity(): BatchCapacity {
    const { rows } = this.options;
    return { rows, encoderTokens: longest(this.sources, rows), decoderTokens: longest(this.labels, rows) };
  }

  /** A pure function of (seed, step). */
  batch(step: number): TextRows {
    const { rows, startId } = this.options;
    const chosen = Array.from({ length: rows }, (_, i) => this.example(step * rows + i));
    const labels = pack(chosen.map((i) => this.labels[i]));
    return { encoder: pack(chosen.map((i) => this.sources[i])), decoder: shiftRight(labels, startId), labels: labels.ids };
  }

  /** The example at a place of the endless sequence of passes. */
  private example(place: number): number {
    const count = this.sources.length;
    const pass = Math.floor(place / count);
    if (pass !== this.pass) {
      this.order = Random.stream(this.options.seed, 'tune', pass).shuffle(this.sources.map((_, i) => i));
      this.pass = pass;
    }
    return this.order[place % count];
  }
}

/** Tokens of the `count` longest rows. */
function longest(rows: readonly Int32Array[], count: number): number {
  return rows.map((row) => row.length).sort((a, b) => b - a).slice(0, count).reduce((sum, n) => sum + n, 0);
}
