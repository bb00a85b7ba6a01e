import { AlignedText, AlignedTextBuilder } from './aligned-text.ts';
import { charLength, isWhiteSpace } from './unicode.ts';

/** Rewrites text before it is split into pieces. */
export type Normalizer = (text: AlignedText) => AlignedText;

export function sequence(normalizers: readonly Normalizer[]): Normalizer {
  return (text) => normalizers.reduce((current, normalize) => normalize(current), text);
}

/** Puts `content` for every match of `pattern` (which has the flags `gu`). */
export function replace(pattern: RegExp, content: string): Normalizer {
  return (source) => {
    let out: AlignedTextBuilder | undefined;
    let from = 0;
    for (const match of source.text.matchAll(pattern)) {
      out ??= new AlignedTextBuilder(source);
      out.copy(from, match.index);
      from = match.index + match[0].length;
      out.replace(content, match.index, from);
    }
    if (!out) return source;
    out.copy(from, source.length);
    return out.build();
  };
}

/** Removes white space at the chosen ends. */
export function strip(left: boolean, right: boolean): Normalizer {
  return (source) => {
    let from = 0;
    let to = source.length;
    if (left) while (from < to && isWhiteSpace(source.text.charCodeAt(from))) from++;
    if (right) while (to > from && isWhiteSpace(source.text.charCodeAt(to - 1))) to--;
    if (from === 0 && to === source.length) return source;
    const out = new AlignedTextBuilder(source);
    out.copy(from, to);
    return out.build();
  };
}

/** Puts `prefix` in front of any text that is not empty. */
export function prepend(prefix: string): Normalizer {
  return (source) => {
    if (source.length === 0) return source;
    const out = new AlignedTextBuilder(source);
    out.replace(prefix, 0, 0);
    out.copy(0, source.length);
    return out.build();
  };
}

/** Lower case of each character on its own: no final sigma. */
export function lowercase(): Normalizer {
  return (source) => {
    if (source.text.toLowerCase() === source.text) return source;
    const out = new AlignedTextBuilder(source);
    for (let at = 0; at < source.length; ) {
      const next = at + charLength(source.text, at);
      out.replace(source.text.slice(at, next).toLowerCase(), at, next);
      at = next;
    }
    return out.build();
  };
}

/** Unicode normalisation forms. Spans are kept per base character with the marks (or jamo) that follow it. */
export function unicodeForm(form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): Normalizer {
  const cluster = /[\s\S][\p{M}\u1160-\u11ff\uff9e\uff9f]*/gu;
  return (source) => {
    const whole = source.text.normalize(form);
    if (whole === source.text) return source;
    const out = new AlignedTextBuilder(source);
    for (const { 0: part, index } of source.text.matchAll(cluster)) {
      out.replace(part.normalize(form), index, index + part.length);
    }
    const aligned = out.build();
    if (aligned.text === whole) return aligned;
    // A composition across clusters: the text is right, its spans are those of the whole.
    const coarse = new AlignedTextBuilder(source);
    coarse.replace(whole, 0, source.length);
    return coarse.build();
  };
}
