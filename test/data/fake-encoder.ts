import type { TokenEncoder } from '../../lib/data/encoder.ts';

/** One id per word, in order of first sight from 10; `<extra_id_k>` is 9999 - k as in a T5 vocabulary. */
export class FakeEncoder implements TokenEncoder {
  readonly eosId = 1;
  readonly padId = 0;
  private readonly ids = new Map<string, number>();
  private readonly words: string[] = [];

  encode(text: string): Int32Array {
    const words = text.split(/\s+/).filter((word) => word !== '');
    return Int32Array.from(words, (word) => {
      if (!this.ids.has(word)) {
        this.ids.set(word, 10 + this.words.length);
        this.words.push(word);
      }
      return this.ids.get(word)!;
    });
  }

  sentinelId(k: number): number {
    return 9999 - k;
  }

  /** Ids back to text; sentinel k is `<k>`, end of sequence `$`. */
  decode(ids: Iterable<number>): string {
    return Array.from(ids, (id) => (id === 1 ? '$' : id >= 9900 ? `<${9999 - id}>` : this.words[id - 10])).join(' ');
  }
}
