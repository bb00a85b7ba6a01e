/** What the data pipeline needs of a tokenizer; the `Tokenizer` class has it, and so does a ten-line fake in a test. */
export interface TokenEncoder {
  encode(text: string, options: { addSpecialTokens: false }): Int32Array;
  /** The id of `<extra_id_k>`, k in 0 .. 99. */
  sentinelId(k: number): number;
  readonly eosId: number;
  readonly padId: number;
}

/** The token ids of `text` alone: no end-of-sequence token, no markers. */
export function tokens(encoder: TokenEncoder, text: string): Int32Array {
  return encoder.encode(text, { addSpecialTokens: false });
}

/**
 * The field markers of a hyper input: `<x>` before an input, `<y>` before an answer. They are the last two sentinels, so
 * the vocabulary needs no new rows (in T5's own vocabulary ids 32000 and 32001).
 */
export function fieldMarkers(encoder: TokenEncoder): { x: number; y: number } {
  return { x: encoder.sentinelId(99), y: encoder.sentinelId(98) };
}

/** Sentinels 0 .. 97 are free for span corruption; 98 and 99 are the field markers. */
export const FREE_SENTINELS = 98;
