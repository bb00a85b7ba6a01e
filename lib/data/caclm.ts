/**
 * Hyperpretraining: context-augmented conditional language modelling (Phang et al., arXiv 2211.12485). A window is cut into
 * A, B, C, D; the hypermodel reads A and D, the frozen T5 reads B and continues with C.
 */
import { HypertuneError } from '../engine/errors.ts';
import type { TokenEncoder } from './encoder.ts';
import { requirePositiveInteger } from './hyper-input.ts';
import { pack } from './packing.ts';
import { batchStream } from './random.ts';
import type { EpisodeRows, TextRows } from './rows.ts';
import { textRows } from './rows.ts';
import type { TextCorpus } from './text-corpus.ts';
import { WindowSource } from './windows.ts';

export interface CaclmOptions {
  /** Windows of a batch. */
  rows: number;
  /** Longest window, length of B, length of C, least length of A and of D, in tokens. */
  windowTokens: number;
  queryTokens: number;
  answerTokens: number;
  sideTokens: number;
  /** Shorter documents are skipped; at least queryTokens + answerTokens + 2 * sideTokens. */
  minDocumentTokens: number;
}

/** The published window and B; C as long as an answer. A small model takes the same proportions of a shorter window. */
export const DEFAULT_CACLM: CaclmOptions = {
  rows: 256,
  windowTokens: 512,
  queryTokens: 32,
  answerTokens: 128,
  sideTokens: 32,
  minDocumentTokens: 256,
};

/** int32 ids; the four are neighbours in one document. */
export interface CaclmWindow {
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly c: Int32Array;
  readonly d: Int32Array;
  readonly document: number;
}

/** What the loss on C is compared with; the same windows as the batch of that step. */
export interface CaclmControls {
  /** B alone, without a hypermodel: the upper anchor. */
  readonly none: TextRows;
  /** With A and D of another document: what is lost against the right ones is the information that the parameters carry. */
  readonly wrong: EpisodeRows;
  /** The T5 itself reads A, B and D: the lower anchor. */
  readonly concat: TextRows;
}

function join(...parts: (Int32Array | number[])[]): Int32Array {
  return Int32Array.from(parts.flatMap((part) => [...part]));
}

/** Batches are pure in (seed, step, microbatch). Documents are drawn in proportion to their length. */
export class CaclmSampler {
  readonly options: CaclmOptions;
  /** Documents shorter than `minDocumentTokens`. */
  readonly skipped: number;
  private readonly encoder: TokenEncoder;
  private readonly seed: number;
  private readonly source: WindowSource;

  /** Throws ARGUMENT_RANGE for lengths that do not fit each other, EXAMPLES_EMPTY when no document is long enough. */
  constructor(corpus: TextCorpus, encoder: TokenEncoder, seed: number, options: Partial<CaclmOptions> = {}) {
    this.options = { ...DEFAULT_CACLM, ...options };
    for (const [field, value] of Object.entries(this.options)) requirePositiveInteger(value, field);
    const { windowTokens, queryTokens, answerTokens, sideTokens, minDocumentTokens } = this.options;
    const least = queryTokens + answerTokens + 2 * sideTokens;
    for (const [field, value] of Object.entries({ windowTokens, minDocumentTokens })) {
      if (value >= least) continue;
      throw new HypertuneError('ARGUMENT_RANGE', `expected at least queryTokens + answerTokens + 2 * sideTokens = ${least}, got ${value}`, { field });
    }
    this.encoder = encoder;
    this.seed = seed;
    this.source = new WindowSource(corpus, minDocumentTokens);
    this.skipped = this.source.skipped;
  }

  windows(step: number, micro = 0): CaclmWindow[] {
    const { rows, windowTokens, queryTokens, answerTokens, sideTokens } = this.options;
    const rng = batchStream(this.seed, 'caclm', step, micro);
    return Array.from({ length: rows }, () => {
      const { ids, document } = this.source.draw(windowTokens, rng);
      const start = rng.between(sideTokens, ids.length - queryTokens - answerTokens - sideTokens);
      const [middle, end] = [start + queryTokens, start + queryTokens + answerTokens];
      return { a: ids.subarray(0, start), b: ids.subarray(start, middle), c: ids.subarray(middle, end), d: ids.subarray(end), document };
    });
  }

  /** The hypermodel's rows are A, end-of-sequence token, D; labels are C without an end, for it is cut out of running text. */
  batch(step: number, micro = 0): EpisodeRows {
    return this.episodes(this.windows(step, micro));
  }

  /** Throws EXAMPLES_EMPTY when all windows of the batch are of one document: then there are no wrong A and D. */
  controls(step: number, micro = 0): CaclmControls {
    const windows = this.windows(step, micro);
    const right = this.episodes(windows);
    const concat = textRows(windows.map(({ a, b, d }) => join(a, b, d)), windows.map(({ c }) => c), this.encoder.padId);
    const { encoder, decoder, labels } = right;
    return { none: { encoder, decoder, labels }, wrong: { ...right, setOfRow: otherDocuments(windows) }, concat };
  }

  private episodes(windows: readonly CaclmWindow[]): EpisodeRows {
    const rows = textRows(windows.map(({ b }) => b), windows.map(({ c }) => c), this.encoder.padId);
    const hyper = pack(windows.map(({ a, d }) => join(a, [this.encoder.eosId], d)));
    return { ...rows, hyper, setOfRow: Int32Array.from(windows.keys()) };
  }
}

/** The same rows for a hypermodel that reads an end-of-sequence token and nothing else: what it writes is a trained constant (L_static). */
export function withoutEvidence(batch: EpisodeRows, eosId: number): EpisodeRows {
  const sets = batch.hyper.offsets.length - 1;
  return { ...batch, hyper: { ids: new Int32Array(sets).fill(eosId), offsets: Int32Array.from({ length: sets + 1 }, (_, i) => i) } };
}

/** For each row the next one that is of another document. */
function otherDocuments(windows: readonly CaclmWindow[]): Int32Array {
  return Int32Array.from(windows, ({ document }, r) => {
    for (let step = 1; step < windows.length; step++) {
      const other = (r + step) % windows.length;
      if (windows[other].document !== document) return other;
    }
    throw new HypertuneError('EXAMPLES_EMPTY', 'all windows of the batch are of one document.', { field: 'corpus', remedy: 'Use more documents, or more rows.' });
  });
}
