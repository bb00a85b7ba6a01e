import { type AlignedText, AlignedTextBuilder } from './aligned-text.ts';
import { isWhiteSpace } from './unicode.ts';

/** Text with the ranges of it (start and end, alternating) that are segmented each on its own. */
export interface Words {
  text: AlignedText;
  bounds: readonly number[];
}

export type PreTokenizer = (words: Words) => Words;

/** Which words get the space symbol in front: all, only one that begins the whole input, none. */
export type PrependScheme = 'always' | 'first' | 'never';

export function whole(text: AlignedText): Words {
  return { text, bounds: [0, text.length] };
}

/** Splits at white space and drops it. */
export function whitespaceSplit(): PreTokenizer {
  return ({ text, bounds }) => {
    const split: number[] = [];
    for (let i = 0; i < bounds.length; i += 2) {
      let from = bounds[i];
      for (let at = from; at <= bounds[i + 1]; at++) {
        if (at < bounds[i + 1] && !isWhiteSpace(text.text.charCodeAt(at))) continue;
        if (at > from) split.push(from, at);
        from = at + 1;
      }
    }
    return { text, bounds: split };
  };
}

/**
 * Writes spaces as `replacement`, puts one in front of a word that lacks it (by `scheme`) and, with `split`, begins
 * a new word at each of them.
 */
export function metaspace(replacement: string, scheme: PrependScheme, split: boolean): PreTokenizer {
  return ({ text: source, bounds }) => {
    const out = new AlignedTextBuilder(source);
    const words: number[] = [];
    const untouched = bounds.length === 2 && bounds[0] === 0 && bounds[1] === source.length;
    for (let i = 0; i < bounds.length; i += 2) {
      const [from, to] = [bounds[i], bounds[i + 1]];
      if (to === from) continue;
      const first = source.text[from];
      const atInputStart = (untouched ? source.origin : source.starts[from]) === 0;
      let wordStart = out.length;
      if (scheme !== 'never' && first !== ' ' && first !== replacement && (scheme === 'always' || atInputStart)) {
        out.replace(replacement, from, from);
      }
      for (let at = from; at < to; ) {
        const unit = source.text[at];
        const isSpace = unit === ' ' || unit === replacement;
        if (split && isSpace && at > from) {
          words.push(wordStart, out.length);
          wordStart = out.length;
        }
        if (isSpace) out.replace(replacement, at, ++at);
        const run = at;
        while (at < to && source.text[at] !== ' ' && source.text[at] !== replacement) at++;
        out.copy(run, at);
      }
      words.push(wordStart, out.length);
    }
    return { text: out.build(), bounds: words };
  };
}
