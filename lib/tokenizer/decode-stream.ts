import { DecoderChain } from './decoder.ts';

/**
 * Decodes ids one at a time, as a generating model yields them. The concatenation of everything returned is what
 * `decode` returns for all ids; a character that is spelt in bytes comes only when it is complete.
 */
export class DecodeStream {
  readonly #piece: (id: number) => string | undefined;
  readonly #chain: DecoderChain;

  /** @param piece the piece to decode for an id, undefined for one to leave out */
  constructor(piece: (id: number) => string | undefined, chain: DecoderChain) {
    this.#piece = piece;
    this.#chain = chain;
  }

  /**
   * The text that `id` completes; often empty.
   * @throws HypertuneError ARGUMENT_RANGE for an id outside the vocabulary
   */
  push(id: number): string {
    const piece = this.#piece(id);
    return piece === undefined ? '' : this.#chain.push(piece);
  }

  /** What is still held back: U+FFFD for each byte of an unfinished character. */
  end(): string {
    return this.#chain.end();
  }
}
