/** Windows of running text, and the two text-only objectives of T5 on them. */
import { HypertuneError } from '../engine/errors.ts';
import { spanCorruption } from './corruption.ts';
import type { TokenEncoder } from './encoder.ts';
import { requirePositiveInteger } from './hyper-input.ts';
import { batchStream } from './random.ts';
import type { Random } from './random.ts';
import type { TextRows } from './rows.ts';
import { textRows } from './rows.ts';
import { cumulative, indexOfSum } from './sampling.ts';
import type { TextCorpus } from './text-corpus.ts';

/** A stretch of one document. */
export interface Window {
  readonly ids: Int32Array;
  /** Which document of the corpus. */
  readonly document: number;
}

/** Draws windows: a document in proportion to its length, then a place in it, each as likely. */
export class WindowSource {
  /** Documents too short for a window, and so left out. */
  readonly skipped: number;
  private readonly corpus: TextCorpus;
  private readonly eligible: number[];
  private readonly sums: Float64Array;

  /** Throws EXAMPLES_EMPTY when every document is shorter than `minTokens`. */
  constructor(corpus: TextCorpus, minTokens: number) {
    this.corpus = corpus;
    this.eligible = [...corpus.documents.keys()].filter((i) => corpus.documents[i].length >= minTokens);
    this.skipped = corpus.documents.length - this.eligible.length;
    if (this.eligible.length === 0) {
      throw new HypertuneError('EXAMPLES_EMPTY', `none of ${corpus.documents.length} documents has ${minTokens} tokens.`, {
        field: 'corpus',
        remedy: 'Use longer documents, or shorter windows.',
      });
    }
    this.sums = cumulative(this.eligible.map((i) => corpus.documents[i].length), 'corpus');
  }

  /** At most `length` ids; a shorter document comes whole. */
  draw(length: number, rng: Random): Window {
    const document = this.eligible[indexOfSum(this.sums, rng.float() * this.sums[this.sums.length - 1])];
    const ids = this.corpus.documents[document];
    const start = ids.length <= length ? 0 : rng.int(ids.length - length + 1);
    return { ids: ids.subarray(start, start + length), document };
  }
}

export interface SpanCorruptionOptions {
  rows: number;
  /** Longest encoder row. */
  encoderTokens: number;
  /** Share of masked ids, and their mean number in a span. */
  density: number;
  meanSpan: number;
}

/**
 * Longest window whose corrupted form has at most `encoderTokens` ids, and the length of its target with the
 * end-of-sequence token: T5's `random_spans_helper` (Raffel et al., arXiv 1910.10683), without the end token on the input.
 */
export function corruptedLengths(encoderTokens: number, density: number, meanSpan: number): { window: number; target: number } {
  const lengths = (window: number) => {
    const masked = Math.min(Math.max(Math.round(window * density), 1), window - 1);
    const spans = Math.min(Math.max(Math.round(masked / meanSpan), 1), masked, window - masked);
    return { encoder: window - masked + spans, target: masked + spans + 1 };
  };
  let window = 2;
  while (lengths(window + 1).encoder <= encoderTokens) window++;
  return { window, target: lengths(window).target };
}

/** Span corruption of windows: pure in (seed, step, microbatch). */
export class SpanCorruptionSampler {
  readonly options: SpanCorruptionOptions;
  /** Longest window and target, in tokens. */
  readonly lengths: { readonly window: number; readonly target: number };
  readonly skipped: number;
  private readonly encoder: TokenEncoder;
  private readonly seed: number;
  private readonly windows: WindowSource;

  /** Throws ARGUMENT_RANGE, EXAMPLES_EMPTY. */
  constructor(corpus: TextCorpus, encoder: TokenEncoder, seed: number, options: Partial<SpanCorruptionOptions> = {}) {
    this.options = { rows: 64, encoderTokens: 128, density: 0.15, meanSpan: 3, ...options };
    const { rows, encoderTokens, density, meanSpan } = this.options;
    requirePositiveInteger(rows, 'rows');
    requirePositiveInteger(encoderTokens, 'encoderTokens');
    if (!(density > 0 && density < 1)) throw new HypertuneError('ARGUMENT_RANGE', `expected a share between 0 and 1, got ${density}`, { field: 'density' });
    if (!(meanSpan >= 1 && meanSpan < Infinity)) throw new HypertuneError('ARGUMENT_RANGE', `expected a number of at least 1, got ${meanSpan}`, { field: 'meanSpan' });
    this.lengths = corruptedLengths(encoderTokens, density, meanSpan);
    this.encoder = encoder;
    this.seed = seed;
    this.windows = new WindowSource(corpus, 2);
    this.skipped = this.windows.skipped;
  }

  batch(step: number, micro = 0): TextRows {
    const rng = batchStream(this.seed, 'span-corruption', step, micro);
    const rows = Array.from({ length: this.options.rows }, () => spanCorruption(this.encoder, this.windows.draw(this.lengths.window, rng).ids, rng, this.options));
    return textRows(rows.map(({ source }) => source), rows.map(({ target }) => target), this.encoder.padId);
  }
}

export interface PrefixLmOptions {
  rows: number;
  /** Longest window: encoder and decoder row together. */
  windowTokens: number;
  /** Least ids on either side of the cut. */
  minTokens: number;
}

/**
 * Prefix language modelling, as T5's LM adaptation (Lester et al., arXiv 2104.08691, section 3.1): a window is cut at a
 * random place, the encoder reads the first part, the labels are the second, without an end token for it is cut out of text.
 */
export class PrefixLmSampler {
  readonly options: PrefixLmOptions;
  readonly skipped: number;
  private readonly encoder: TokenEncoder;
  private readonly seed: number;
  private readonly windows: WindowSource;

  /** Throws ARGUMENT_RANGE, EXAMPLES_EMPTY. */
  constructor(corpus: TextCorpus, encoder: TokenEncoder, seed: number, options: Partial<PrefixLmOptions> = {}) {
    this.options = { rows: 64, windowTokens: 128, minTokens: 8, ...options };
    const { rows, windowTokens, minTokens } = this.options;
    for (const [field, value] of Object.entries({ rows, windowTokens, minTokens })) requirePositiveInteger(value, field);
    if (windowTokens < 2 * minTokens) throw new HypertuneError('ARGUMENT_RANGE', `expected at least 2 * minTokens = ${2 * minTokens}, got ${windowTokens}`, { field: 'windowTokens' });
    this.encoder = encoder;
    this.seed = seed;
    this.windows = new WindowSource(corpus, 2 * minTokens);
    this.skipped = this.windows.skipped;
  }

  batch(step: number, micro = 0): TextRows {
    const { rows, windowTokens, minTokens } = this.options;
    const rng = batchStream(this.seed, 'prefix-lm', step, micro);
    const windows = Array.from({ length: rows }, () => this.windows.draw(windowTokens, rng).ids);
    const cuts = windows.map((ids) => rng.between(minTokens, ids.length - minTokens));
    return textRows(windows.map((ids, r) => ids.subarray(0, cuts[r])), windows.map((ids, r) => ids.subarray(cuts[r])), this.encoder.padId);
  }
}
