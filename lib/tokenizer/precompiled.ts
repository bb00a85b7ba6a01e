import { AlignedTextBuilder } from './aligned-text.ts';
import type { CharsMap } from './chars-map.ts';
import { forEachGrapheme } from './graphemes.ts';
import type { Normalizer } from './normalizer.ts';
import { charLength } from './unicode.ts';

/** Grapheme clusters of this length, in UTF-8 bytes, and longer ones are not looked up as a whole. */
const LONG_CLUSTER_BYTES = 6;

/**
 * The character map as the `tokenizers` library applies it (its normalizer `Precompiled`), which is not how
 * SentencePiece does: a short grapheme cluster is replaced whole by the shortest rule that matches its beginning,
 * otherwise each of its characters is looked up alone. So `ﬁ` with an accent loses the accent; files made for
 * that library were made with this behaviour, and ids are to be the same.
 */
export function precompiled(map: CharsMap): Normalizer {
  return (source) => {
    const { text } = source;
    const out = new AlignedTextBuilder(source);
    let copied = 0; // up to here the source is in `out`
    const lookUp = (from: number, to: number): boolean => {
      const replacement = map.match(text, from, to, false);
      if (replacement === undefined) return false;
      out.copy(copied, from);
      out.replace(replacement, from, to);
      copied = to;
      return true;
    };
    forEachGrapheme(text, (from, to) => {
      // A unit takes at least one byte and at most three.
      const units = to - from;
      const isShort = units * 3 < LONG_CLUSTER_BYTES || (units < LONG_CLUSTER_BYTES && Buffer.byteLength(text.slice(from, to)) < LONG_CLUSTER_BYTES);
      if (isShort && (lookUp(from, to) || units === 1)) return;
      for (let at = from; at < to; ) {
        const next = at + charLength(text, at);
        lookUp(at, next);
        at = next;
      }
    });
    if (copied === 0) return source;
    out.copy(copied, text.length);
    return out.build();
  };
}
