import { charLength } from './unicode.ts';

/** Text that is segmented at once: each step of the segmenter takes time in proportion to the text it holds. */
const WINDOW = 96;
/** A window ends where so many certain boundaries follow each other: to set one up costs more than a few steps. */
const PLAIN_RUN = 8;

/** Made at the first use: that takes longer than everything else at the start of the tokenizer. */
let made: Intl.Segmenter | undefined;
const segmenter = () => (made ??= new Intl.Segmenter('und', { granularity: 'grapheme' }));

/**
 * Calls `each` with the range of every extended grapheme cluster (Unicode UAX 29) of the well-formed `text`, in
 * order, in linear time. Only what the simple rules of `simpleCluster` leave open is asked of `Intl.Segmenter`.
 */
export function forEachGrapheme(text: string, each: (from: number, to: number) => void): void {
  for (let at = 0; at < text.length; ) {
    const end = simpleCluster(text, at);
    if (end > at) each(at, end);
    at = end > at ? end : segmentWindow(text, at, each);
  }
}

/** End of the cluster from the boundary `at` on if it is a character with accents or a line end, else `at`. */
function simpleCluster(text: string, at: number): number {
  const first = text.charCodeAt(at);
  let end = at + charLength(text, at);
  if (first < 0x20) {
    if (first === 0x0d && text.charCodeAt(end) === 0x0a) end++;
    return end; // GB3-GB5: nothing joins a control character
  }
  if (!(standsAlone(first) || (first >= 0xd83c && first < 0xd83f)) || isControl(first)) return at;
  while (isAccent(text.charCodeAt(end))) end++;
  return end === text.length || standsAlone(text.charCodeAt(end)) ? end : at;
}

/** Clusters from the boundary `at` on, up to a boundary that it returns. */
function segmentWindow(text: string, at: number, each: (from: number, to: number) => void): number {
  const limit = certainBoundary(text, at, at + WINDOW);
  for (let size = WINDOW; ; size *= 2) {
    let end = Math.min(limit, at + size);
    if (end < text.length && charLength(text, end - 1) === 2) end++;
    const complete = end === limit;
    let reached = at;
    for (const { segment, index } of segmenter().segment(text.slice(at, end))) {
      const from = at + index;
      const to = from + segment.length;
      // The last cluster of a cut window may go on behind it.
      if (to === end && !complete) break;
      each(from, to);
      reached = to;
      if (size > WINDOW) break;
    }
    if (reached > at) return reached;
  }
}

/** The last certain boundary in (at, searchEnd] before a plain run; without one, the end of the text. */
function certainBoundary(text: string, at: number, searchEnd: number): number {
  let last = text.length;
  let run = 0;
  for (let end = at + 1; end <= searchEnd && end < text.length; end++) {
    const certain = standsAlone(text.charCodeAt(end - 1)) && standsAlone(text.charCodeAt(end));
    run = certain && !(text[end - 1] === '\r' && text[end] === '\n') ? run + 1 : 0;
    if (run > 0) last = end;
    if (run === PLAIN_RUN) break;
  }
  return last;
}

/**
 * Units that are a whole character without the property Extend, SpacingMark, Prepend, Regional_Indicator or a Hangul
 * syllable type, and not a joiner; far from all of them, but the frequent ones.
 */
function standsAlone(unit: number): boolean {
  return (
    unit < 0x0300 || // ASCII, Latin, IPA, with their controls
    (unit >= 0x0370 && unit < 0x0483) || // Greek, Cyrillic
    (unit >= 0x048a && unit < 0x0530) ||
    (unit >= 0x1e00 && unit < 0x2000) || // Vietnamese, old Greek
    (unit >= 0x2010 && unit < 0x2028) || // punctuation
    (unit >= 0x2030 && unit < 0x2060) ||
    (unit >= 0x2100 && unit < 0x2c00) || // letterlike symbols, arrows, mathematics
    (unit >= 0x3000 && unit < 0x302a) || // CJK punctuation, kana, ideographs
    (unit >= 0x3041 && unit < 0x3097) ||
    (unit >= 0x309b && unit < 0x3100) ||
    (unit >= 0x3400 && unit < 0xa000) ||
    (unit >= 0xff01 && unit < 0xff9e) || // full-width forms
    unit === 0xfffd
  );
}

/** The frequent characters of the property Extend: combining diacritical marks, variation selectors. */
function isAccent(unit: number): boolean {
  return (unit >= 0x0300 && unit < 0x0370) || (unit >= 0xfe00 && unit < 0xfe10);
}

/** Characters that no accent joins (of those below U+0300). */
function isControl(unit: number): boolean {
  return (unit >= 0x7f && unit < 0xa0) || unit === 0xad;
}
