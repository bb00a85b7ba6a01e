import { AlignedTextBuilder } from './aligned-text.ts';
import type { CharsMap } from './chars-map.ts';
import type { Normalizer } from './normalizer.ts';
import { charLength } from './unicode.ts';
import { UnitTrie } from './unit-trie.ts';

/** What SentencePiece writes for a space inside pieces: U+2581. */
export const SPACE_SYMBOL = '\u2581';

const LEADING_SPACES = /^ +/;

export interface SentencePieceNormalizerOptions {
  charsMap?: CharsMap;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
  /** Symbols that no rule may touch. */
  userDefined: readonly string[];
}

/**
 * SentencePiece's own normalisation: at each position the longest rule of the character map, then the handling of
 * spaces (collapse, strip, prefix, escape).
 */
export function sentencePieceNormalizer(options: SentencePieceNormalizerOptions): Normalizer {
  const { charsMap, removeExtraWhitespaces } = options;
  const space = options.escapeWhitespaces ? SPACE_SYMBOL : ' ';
  const protectedSymbols = UnitTrie.of(options.userDefined);

  return (source) => {
    const { text } = source;
    const out = new AlignedTextBuilder(source);
    let next = 0;

    /** The characters that the rule or the character at `at` becomes; sets `next` behind what it reads. */
    const normalizePrefix = (at: number): string => {
      next = longestKey(protectedSymbols, text, at);
      if (next > at) return text.slice(at, next);
      const replacement = charsMap?.match(text, at, text.length, true);
      next = replacement === undefined ? at + charLength(text, at) : charsMap!.matchEnd;
      return replacement ?? text.slice(at, next);
    };

    let at = 0;
    if (removeExtraWhitespaces) {
      while (at < text.length && normalizePrefix(at) === ' ') at = next;
    }
    if (at === text.length) return out.build();
    if (options.addDummyPrefix) out.replace(space, at, at);

    let copied = at; // up to here the source is in `out`
    let afterSpace = removeExtraWhitespaces;
    while (at < text.length) {
      const part = normalizePrefix(at);
      const visible = afterSpace ? part.replace(LEADING_SPACES, '') : part;
      if (visible !== '') afterSpace = removeExtraWhitespaces && visible.endsWith(' ');
      const escaped = visible.replaceAll(' ', space);
      if (!text.startsWith(escaped, at) || escaped.length !== next - at) {
        out.copy(copied, at);
        if (escaped !== '') out.replace(escaped, at, next);
        copied = next;
      }
      at = next;
    }
    out.copy(copied, text.length);
    if (removeExtraWhitespaces) while (out.endsWith(space)) out.truncate(out.length - 1);
    return out.build();
  };
}

/** End of the longest key that begins at `at`, or `at`. */
function longestKey(trie: UnitTrie, text: string, at: number): number {
  let end = at;
  let node = UnitTrie.ROOT;
  for (let i = at; i < text.length; ) {
    node = trie.step(node, text.charCodeAt(i++));
    if (node < 0) break;
    if (trie.values[node] >= 0) end = i;
  }
  return end;
}
