/** Ids by word, for training on generated text: its few hundred words are tokenized once, not in every batch. */
import { tokens } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';

const PLAIN_WORDS = /^[A-Za-z0-9,-]+(?: [A-Za-z0-9,-]+)*$/;
const CAPACITY = 100_000;

/**
 * Encodes like the tokenizer it wraps, provided that no piece of it crosses a space, as in T5's SentencePiece models.
 * Only texts of ASCII words with single spaces go through the cache; normalisation cannot join those.
 */
export class WordCache implements TokenEncoder {
  readonly eosId: number;
  readonly padId: number;
  private readonly encoder: TokenEncoder;
  private readonly sentinels = new Map<number, number>();
  private readonly words = new Map<string, Int32Array>();

  constructor(encoder: TokenEncoder) {
    this.encoder = encoder;
    this.eosId = encoder.eosId;
    this.padId = encoder.padId;
  }

  encode(text: string): Int32Array {
    if (!PLAIN_WORDS.test(text)) return tokens(this.encoder, text);
    const parts = text.split(' ').map((word) => this.word(word));
    const ids = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      ids.set(part, at);
      at += part.length;
    }
    return ids;
  }

  sentinelId(k: number): number {
    let id = this.sentinels.get(k);
    if (id === undefined) this.sentinels.set(k, (id = this.encoder.sentinelId(k)));
    return id;
  }

  private word(word: string): Int32Array {
    let ids = this.words.get(word);
    if (ids === undefined) {
      if (this.words.size >= CAPACITY) this.words.clear(); // bounds the memory on open text
      this.words.set(word, (ids = tokens(this.encoder, word)));
    }
    return ids;
  }
}
