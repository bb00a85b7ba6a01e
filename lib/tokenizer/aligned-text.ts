import { charLength } from './unicode.ts';

/**
 * Text under normalisation. Every UTF-16 unit of `text` remembers the span [start, end) of the original string
 * that it stands for, so that tokens can be traced back however much was replaced, dropped or inserted.
 */
export class AlignedText {
  readonly text: string;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Where in the original string this segment begins, also when its first characters were dropped since. */
  readonly origin: number;

  constructor(text: string, starts: Int32Array, ends: Int32Array, origin: number) {
    this.text = text;
    this.starts = starts;
    this.ends = ends;
    this.origin = origin;
  }

  /** The untouched segment [from, to) of `original`, which is well formed. */
  static of(original: string, from = 0, to = original.length): AlignedText {
    const length = to - from;
    const starts = new Int32Array(length);
    const ends = new Int32Array(length);
    for (let i = 0; i < length; ) {
      const units = charLength(original, from + i); // both halves of a pair stand for the character
      const start = from + i;
      for (const next = i + units; i < next; i++) {
        starts[i] = start;
        ends[i] = start + units;
      }
    }
    return new AlignedText(original.slice(from, to), starts, ends, from);
  }

  get length(): number {
    return this.text.length;
  }

  slice(from: number, to: number): AlignedText {
    if (from === 0 && to === this.length) return this;
    const origin = from < this.length ? this.starts[from] : this.origin;
    return new AlignedText(this.text.slice(from, to), this.starts.subarray(from, to), this.ends.subarray(from, to), origin);
  }
}

/** Builds the successor of an `AlignedText` left to right. */
export class AlignedTextBuilder {
  #text = '';
  #starts: Int32Array;
  #ends: Int32Array;
  #length = 0;
  readonly #source: AlignedText;
  /** Where dropped characters at the very front begin, or -1. */
  #dropped = -1;

  constructor(source: AlignedText) {
    this.#source = source;
    this.#starts = new Int32Array(source.length + 16);
    this.#ends = new Int32Array(source.length + 16);
  }

  get length(): number {
    return this.#length;
  }

  /** Takes [from, to) of the source as it is. */
  copy(from: number, to: number): void {
    if (to <= from) return;
    this.#reserve(to - from);
    this.#starts.set(this.#source.starts.subarray(from, to), this.#length);
    this.#ends.set(this.#source.ends.subarray(from, to), this.#length);
    this.#text += this.#source.text.slice(from, to);
    this.#claimDropped();
    this.#length += to - from;
  }

  /**
   * Puts `replacement` for [from, to) of the source; an empty range inserts, before the unit at `from`.
   * What an empty replacement drops counts to the character before it, at the front to the one behind it.
   */
  replace(replacement: string, from: number, to: number): void {
    if (replacement.length === 0) return this.#drop(from, to);
    this.#reserve(replacement.length);
    const { starts, ends, origin } = this.#source;
    const start = from < starts.length ? starts[from] : from > 0 ? ends[from - 1] : origin;
    // An inserted character borrows the span of the one that it precedes: no token is left without a place.
    const end = to > from ? ends[to - 1] : from < ends.length ? ends[from] : start;
    for (let i = this.#length; i < this.#length + replacement.length; i++) {
      this.#starts[i] = start;
      this.#ends[i] = end;
    }
    this.#text += replacement;
    this.#claimDropped();
    this.#length += replacement.length;
  }

  /** Drops everything from output position `length` on. */
  truncate(length: number): void {
    this.#text = this.#text.slice(0, length);
    this.#length = length;
  }

  endsWith(suffix: string): boolean {
    return this.#text.endsWith(suffix);
  }

  build(): AlignedText {
    const { origin } = this.#source;
    return new AlignedText(this.#text, this.#starts.subarray(0, this.#length), this.#ends.subarray(0, this.#length), origin);
  }

  #drop(from: number, to: number): void {
    if (to <= from) return;
    if (this.#length > 0) this.#ends[this.#length - 1] = this.#source.ends[to - 1];
    else if (this.#dropped < 0) this.#dropped = this.#source.starts[from];
  }

  #claimDropped(): void {
    if (this.#dropped < 0 || this.#length > 0) return;
    this.#starts[0] = this.#dropped;
    this.#dropped = -1;
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra;
    if (needed <= this.#starts.length) return;
    const grow = (old: Int32Array): Int32Array => {
      const larger = new Int32Array(Math.max(needed, old.length * 2));
      larger.set(old);
      return larger;
    };
    this.#starts = grow(this.#starts);
    this.#ends = grow(this.#ends);
  }
}
