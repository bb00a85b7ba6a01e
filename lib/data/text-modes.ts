/**
 * Text-to-text training of a small T5 before it is frozen: it must have the skills of the tasks before a hypermodel can
 * select among them.
 *
 * - `cue`: description `<x>` query -> answer
 * - `induce`: examples -> description
 * - `den`: examples with masked words -> the words
 * - `icl`: examples `<x>` query -> answer; what a T5 reads in context, the baseline of a hypermodel
 * - `none`: half a query without any cue -> answer, half span corruption of generated text
 */
import { maskExamples, spanCorruption, truncateSource } from './corruption.ts';
import type { MaskRates } from './corruption.ts';
import { fieldMarkers, tokens } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';
import { drawEpisode, requireShotRange } from './episodes.ts';
import { answerLabels, hyperInput, keepFirst, keepLast, queryInput, requirePositiveInteger } from './hyper-input.ts';
import { pack, shiftRight } from './packing.ts';
import { batchStream } from './random.ts';
import type { Random } from './random.ts';
import { drawDistinct } from './task.ts';
import type { Example, Task, TaskSource } from './task.ts';

export type TextMode = 'cue' | 'induce' | 'den' | 'icl' | 'none';

export interface TextOptions {
  /** Rows per batch; each is of a task and a mode of its own. */
  rows: number;
  /** Relative frequency of the modes. */
  mix: Readonly<Partial<Record<TextMode, number>>>;
  /** Examples in a row of `induce`, `den` or `icl`. */
  minShots: number;
  maxShots: number;
  /** Longest encoder row of `induce` and `den`, and of `cue` and `none`, in tokens; of `icl` the sum of both. */
  listTokens: number;
  queryTokens: number;
  /** Longest decoder row of `den`, and of the other modes. */
  maskedTokens: number;
  answerTokens: number;
  /** Of `den`: high for answers, which the examples determine; low for inputs, which nothing does. */
  maskRates: MaskRates;
}

export const DEFAULT_TEXT: TextOptions = {
  rows: 96,
  mix: { cue: 0.9, none: 0.1 },
  minShots: 4,
  maxShots: 8,
  listTokens: 150,
  queryTokens: 48,
  maskedTokens: 64,
  answerTokens: 24,
  maskRates: { input: 0.06, answer: 0.35 },
};

/** One source row and its target, and what was cut off. */
interface TextRow {
  readonly source: Int32Array;
  readonly target: Int32Array;
  readonly dropped: number;
  readonly truncated: boolean;
}

export interface TextBatch {
  /** int32 [encoder tokens], offsets int32 [rows + 1] */
  readonly encoderIds: Int32Array;
  readonly encoderOffsets: Int32Array;
  /** int32 [decoder tokens]: labels shifted right behind the padding id; offsets int32 [rows + 1] */
  readonly decoderIds: Int32Array;
  readonly decoderOffsets: Int32Array;
  /** int32 [decoder tokens], rows as in `decoderIds` */
  readonly labels: Int32Array;
  /** The mode of each row. */
  readonly modes: readonly TextMode[];
  /** Examples left out because a window was full, and rows that lost tokens of a query, text or target. */
  readonly report: { droppedShots: number; truncatedRows: number };
}

/** A task without a description cannot be cued, nor its description induced. */
function possibleMode(mode: TextMode, task: Task): TextMode {
  if (task.description !== '') return mode;
  return mode === 'cue' ? 'none' : mode === 'induce' ? 'den' : mode;
}

/** Batches as a pure function of (seed, step, microbatch). */
export class TextSampler {
  readonly options: TextOptions;
  private readonly source: TaskSource;
  private readonly encoder: TokenEncoder;
  private readonly seed: number;

  /** Throws ARGUMENT_RANGE for counts and windows that are not positive integers, or minShots > maxShots. */
  constructor(source: TaskSource, encoder: TokenEncoder, seed: number, options: Partial<TextOptions> = {}) {
    this.options = { ...DEFAULT_TEXT, ...options };
    const { rows, minShots, maxShots, listTokens, queryTokens, maskedTokens, answerTokens } = this.options;
    for (const [field, value] of Object.entries({ rows, minShots, listTokens, queryTokens, maskedTokens, answerTokens })) {
      requirePositiveInteger(value, field);
    }
    requireShotRange(minShots, maxShots);
    this.source = source;
    this.encoder = encoder;
    this.seed = seed;
  }

  batch(step: number, micro = 0): TextBatch {
    const rng = batchStream(this.seed, 'text', step, micro);
    const names = Object.keys(this.options.mix) as TextMode[];
    const weights = names.map((name) => this.options.mix[name] ?? 0);
    const modes: TextMode[] = [];
    const rows: TextRow[] = [];
    for (let r = 0; r < this.options.rows; r++) {
      const task = this.source.draw(rng);
      const mode = possibleMode(names[rng.weighted(weights)], task);
      modes.push(mode);
      rows.push(this.row(mode, task, rng));
    }
    const encoderRows = pack(rows.map((row) => row.source));
    const labels = pack(rows.map((row) => row.target));
    return {
      encoderIds: encoderRows.ids,
      encoderOffsets: encoderRows.offsets,
      decoderIds: shiftRight(labels, this.encoder.padId).ids,
      decoderOffsets: labels.offsets,
      labels: labels.ids,
      modes,
      report: {
        droppedShots: rows.reduce((sum, row) => sum + row.dropped, 0),
        truncatedRows: rows.filter((row) => row.truncated).length,
      },
    };
  }

  private row(mode: TextMode, task: Task, rng: Random): TextRow {
    switch (mode) {
      case 'cue':
        return this.cue(task, task.sample(rng));
      case 'induce':
        return this.induce(task, rng);
      case 'den':
        return this.denoise(task, rng);
      case 'icl':
        return this.inContext(task, rng);
      case 'none':
        return rng.chance(0.5) ? this.uncued(task.sample(rng)) : this.corrupt(task, rng);
    }
  }

  private cue(task: Task, { input, output }: Example): TextRow {
    const { queryTokens: maxTokens, answerTokens } = this.options;
    const cue = [...tokens(this.encoder, task.description), fieldMarkers(this.encoder).x];
    const source = keepLast(Int32Array.from([...cue, ...tokens(this.encoder, input)]), maxTokens);
    return textRow(source, answerLabels(this.encoder, output, { maxTokens: answerTokens }));
  }

  private uncued({ input, output }: Example): TextRow {
    const { queryTokens, answerTokens } = this.options;
    return textRow(
      queryInput(this.encoder, input, { maxTokens: queryTokens }),
      answerLabels(this.encoder, output, { maxTokens: answerTokens }),
    );
  }

  private shots(task: Task, rng: Random): Example[] {
    return drawDistinct(task, rng.between(this.options.minShots, this.options.maxShots), rng);
  }

  private induce(task: Task, rng: Random): TextRow {
    const hyper = hyperInput(this.encoder, this.shots(task, rng), { maxTokens: this.options.listTokens });
    return textRow(hyper, answerLabels(this.encoder, task.description, { maxTokens: this.options.answerTokens }), hyper.dropped);
  }

  private denoise(task: Task, rng: Random): TextRow {
    const { listTokens, maskedTokens, maskRates } = this.options;
    const examples = this.shots(task, rng);
    const { used, dropped } = hyperInput(this.encoder, examples, { maxTokens: listTokens });
    const whole = maskExamples(this.encoder, examples.slice(0, used), maskRates, rng);
    const { source, target } = truncateSource(this.encoder, whole, listTokens);
    const truncated = source.length < whole.source.length;
    return textRow({ ids: source, truncated }, keepFirst(target, maskedTokens), dropped);
  }

  /** Too long: the examples are cut, last first; the query only where it passes its own window. */
  private inContext(task: Task, rng: Random): TextRow {
    const { minShots, maxShots, listTokens, queryTokens, answerTokens } = this.options;
    const { evidence, queries: [query] } = drawEpisode(task, rng.between(minShots, maxShots), 1, rng);
    const asked = queryInput(this.encoder, query.input, { maxTokens: queryTokens });
    const room = listTokens + queryTokens - 1 - asked.ids.length;
    const list = room > 0 ? hyperInput(this.encoder, evidence, { maxTokens: room }) : undefined;
    const ids = Int32Array.from([...(list?.ids ?? []), fieldMarkers(this.encoder).x, ...asked.ids]);
    const source = { ids, truncated: asked.truncated || (list?.truncated ?? true) };
    return textRow(source, answerLabels(this.encoder, query.output, { maxTokens: answerTokens }), list?.dropped ?? evidence.length);
  }

  /** Span corruption of three inputs in a row. */
  private corrupt(task: Task, rng: Random): TextRow {
    const text = Array.from({ length: 3 }, () => task.sample(rng).input).join(' ');
    const ids = queryInput(this.encoder, text, { maxTokens: this.options.queryTokens });
    const { source, target } = spanCorruption(this.encoder, ids.ids, rng);
    const kept = keepFirst(target, this.options.answerTokens);
    return textRow({ ids: source, truncated: ids.truncated }, kept);
  }
}

function textRow(
  source: { ids: Int32Array; truncated: boolean },
  target: { ids: Int32Array; truncated: boolean },
  dropped = 0,
): TextRow {
  return { source: source.ids, target: target.ids, dropped, truncated: source.truncated || target.truncated };
}
