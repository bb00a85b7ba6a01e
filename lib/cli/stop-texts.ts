/** Ends an answer in front of the first of some texts, also where it comes in pieces. */

/** Everything in front of the first stop text. */
export function cutAtStop(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return ends.length ? text.slice(0, Math.min(...ends)) : text;
}

/** Holds back what may be the beginning of a stop text until it is known not to be. */
export class StopStream {
  private readonly stops: readonly string[];
  private held = '';
  /** Whether a stop text has come: everything after it is dropped. */
  ended = false;

  constructor(stops: readonly string[]) {
    this.stops = stops;
  }

  /** What can be shown after this piece. */
  push(piece: string): string {
    if (this.ended) return '';
    const text = this.held + piece;
    const before = cutAtStop(text, this.stops);
    if (before.length < text.length) {
      this.ended = true;
      this.held = '';
      return before;
    }
    const keep = this.undecided(text);
    this.held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** What was held back, at the end of the answer. */
  end(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  /** Length of the longest end of `text` that begins a stop text. */
  private undecided(text: string): number {
    const longest = Math.max(0, ...this.stops.map((stop) => stop.length - 1));
    for (let n = Math.min(longest, text.length); n > 0; n--) {
      if (this.stops.some((stop) => stop.startsWith(text.slice(-n)))) return n;
    }
    return 0;
  }
}
