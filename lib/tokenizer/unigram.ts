import type { AlignedText } from './aligned-text.ts';
import type { TokenBuffer } from './token-buffer.ts';
import { bytePiece, charLength, utf8Bytes } from './unicode.ts';
import { UnitTrie } from './unit-trie.ts';

/** An unknown character scores this much below the worst piece (SentencePiece `kUnkPenalty`). */
const UNKNOWN_PENALTY = 10;

export interface UnigramOptions {
  pieces: readonly string[];
  /** Log probability of each piece. */
  scores: Float64Array;
  unkId: number;
  /** Unknown characters become `<0x00>`..`<0xFF>` pieces instead of the unknown id. */
  byteFallback: boolean;
  /** The lowest score that counts; default: of all pieces. */
  minScore?: number;
  /** Whether text may be matched by a piece; default: by every piece. */
  matchable?: (id: number) => boolean;
  /**
   * Path scores are rounded to float32 after each piece, as in SentencePiece (0.2.2), instead of being kept in
   * float64, as in the `tokenizers` library. It decides between segmentations that score (nearly) the same.
   */
  singlePrecision: boolean;
}

/**
 * Unigram language model (Kudo 2018, "Subword regularization", section 3): the segmentation of a text that
 * maximises the summed log probability of its pieces, by the Viterbi algorithm. Linear in the text's length.
 */
export class Unigram {
  readonly #trie: UnitTrie;
  readonly #scores: Float64Array;
  readonly #unkId: number;
  readonly #unkScore: number;
  readonly #byteIds: Int32Array | undefined;
  readonly #single: boolean;
  #best = new Float64Array(0);
  #bestStart = new Int32Array(0);
  #bestId = new Int32Array(0);

  constructor(options: UnigramOptions) {
    const { pieces, scores } = options;
    this.#trie = UnitTrie.of(pieces, options.matchable);
    this.#scores = scores;
    this.#unkId = options.unkId;
    this.#single = options.singlePrecision;
    const minScore = options.minScore ?? scores.reduce((a, b) => Math.min(a, b), Infinity);
    this.#unkScore = this.#single ? Math.fround(minScore - UNKNOWN_PENALTY) : minScore - UNKNOWN_PENALTY;
    if (options.byteFallback) {
      const ids = new Map(pieces.map((piece, id) => [piece, id]));
      this.#byteIds = Int32Array.from({ length: 256 }, (_, byte) => ids.get(bytePiece(byte))!);
    }
  }

  /** Appends the pieces of the characters [from, to) of `source` to `out`. */
  encode(source: AlignedText, from: number, to: number, out: TokenBuffer): void {
    if (to <= from) return;
    this.#reserve(to - from + 1);
    this.#forward(source.text, from, to);
    const starts = this.#bestStart;
    const ids = this.#bestId;
    // Backwards, each node is replaced by where it ends; then the path is read forwards.
    for (let end = to - from, next = -1, id = -1; ; ) {
      const start = starts[end];
      const startId = ids[end];
      starts[end] = next;
      ids[end] = id;
      if (end === 0) break;
      next = end;
      id = startId;
      end = start;
    }
    for (let at = 0; at < to - from; ) {
      let end = starts[at];
      const id = ids[at];
      if (id === this.#unkId) {
        while (end < to - from && ids[end] === id) end = starts[end];
        this.#unknown(source, from + at, from + end, out);
      } else {
        out.push(id, source.starts[from + at], source.ends[from + end - 1]);
      }
      at = end;
    }
  }

  /** Fills, for every position reachable from `from`, the best score and the piece that ends there. */
  #forward(text: string, from: number, to: number): void {
    const best = this.#best;
    const bestStart = this.#bestStart;
    const bestId = this.#bestId;
    const single = this.#single;
    const trie = this.#trie;
    const values = trie.values;
    best[0] = 0;
    bestStart.fill(-1, 0, to - from + 1);
    for (let at = from; at < to; ) {
      const start = at - from;
      const nextCharacter = at + charLength(text, at);
      let known = false;
      let node = UnitTrie.ROOT;
      for (let end = at; end < to; ) {
        node = trie.step(node, text.charCodeAt(end++));
        if (node < 0) break;
        const id = values[node];
        if (id < 0) continue;
        const sum = best[start] + this.#scores[id];
        const score = single ? Math.fround(sum) : sum;
        const target = end - from;
        if (bestStart[target] < 0 || score > best[target]) {
          best[target] = score;
          bestStart[target] = start;
          bestId[target] = id;
        }
        if (end === nextCharacter) known = true;
      }
      if (!known) {
        const sum = best[start] + this.#unkScore;
        const score = single ? Math.fround(sum) : sum;
        const target = nextCharacter - from;
        if (bestStart[target] < 0 || score > best[target]) {
          best[target] = score;
          bestStart[target] = start;
          bestId[target] = this.#unkId;
        }
      }
      at = nextCharacter;
    }
  }

  /** A run of unknown characters: its bytes, or one unknown id. */
  #unknown(source: AlignedText, from: number, to: number, out: TokenBuffer): void {
    // The literal text of the unknown piece is found in the vocabulary, hence not spelt in bytes.
    if (!this.#byteIds || this.#trie.find(source.text, from, to) === this.#unkId) {
      out.push(this.#unkId, source.starts[from], source.ends[to - 1]);
      return;
    }
    for (let at = from; at < to; ) {
      const next = at + charLength(source.text, at);
      for (const byte of utf8Bytes(source.text.codePointAt(at)!)) {
        out.push(this.#byteIds[byte], source.starts[at], source.ends[next - 1]);
      }
      at = next;
    }
  }

  #reserve(length: number): void {
    if (length <= this.#best.length) return;
    const size = Math.max(256, 2 * length);
    this.#best = new Float64Array(size);
    this.#bestStart = new Int32Array(size);
    this.#bestId = new Int32Array(size);
  }
}
