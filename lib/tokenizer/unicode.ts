/** Characters as Unicode and UTF-8 see them, where JavaScript's own notions differ or are slow. */

/** Replaces every lone surrogate by U+FFFD: the text becomes valid Unicode and keeps its length. */
export function toWellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** Number of UTF-16 units of the character that begins at `at`; `text` must be well formed. */
export function charLength(text: string, at: number): 1 | 2 {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00 ? 2 : 1;
}

/** The property White_Space; unlike `\s` it has U+0085 and lacks U+FEFF. */
export function isWhiteSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return (
    unit === 0x85 || unit === 0xa0 || unit === 0x1680 || (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f || unit === 0x3000
  );
}

const WORD_CHARACTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

/** A word character in the sense of Unicode TR18 (annex C), which is `\w` of the `tokenizers` library. */
export function isWordCharacter(character: string): boolean {
  return WORD_CHARACTER.test(character);
}

/** The UTF-8 bytes of one code point. */
export function utf8Bytes(codePoint: number): number[] {
  if (codePoint < 0x80) return [codePoint];
  if (codePoint < 0x800) return [0xc0 | (codePoint >> 6), 0x80 | (codePoint & 0x3f)];
  const low = [0x80 | ((codePoint >> 6) & 0x3f), 0x80 | (codePoint & 0x3f)];
  if (codePoint < 0x10000) return [0xe0 | (codePoint >> 12), ...low];
  return [0xf0 | (codePoint >> 18), 0x80 | ((codePoint >> 12) & 0x3f), ...low];
}

/** The piece that stands for one byte: `<0x0A>`. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** The byte that a piece stands for, or -1. */
export function pieceByte(piece: string): number {
  return piece.length === 6 && /^<0x[0-9A-Fa-f]{2}>$/.test(piece) ? parseInt(piece.slice(3, 5), 16) : -1;
}
