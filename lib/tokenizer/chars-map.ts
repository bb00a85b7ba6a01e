import { HypertuneError } from '../engine/errors.ts';
import { utf8Bytes } from './unicode.ts';

const BYTES = Array.from({ length: 0x80 }, (_, byte) => [byte]);

/**
 * SentencePiece's precompiled character map: rules "these characters become those", held as a double-array trie
 * over UTF-8 (Darts-clone layout) whose values point into a pool of NUL-terminated replacements.
 *
 * Blob: uint32 byte length of the trie, the trie's uint32 units, the pool; little-endian. Of a unit, bits 0-7 and 31
 * are the label, bit 8 says that a key ends here, bits 10-30 shifted by bit 9 are the offset to the children.
 */
export class CharsMap {
  readonly blob: Uint8Array;
  readonly #units: Int32Array;
  readonly #pool: Uint8Array;
  readonly #replacements = new Map<number, string>();

  /** @throws HypertuneError FILE_FORMAT if the blob's lengths do not add up */
  constructor(blob: Uint8Array) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const trieBytes = blob.length >= 4 ? view.getUint32(0, true) : 0;
    if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes > blob.length - 4) {
      throw new HypertuneError('FILE_FORMAT', `a trie of ${trieBytes} bytes does not fit into a map of ${blob.length} bytes.`, {
        field: 'precompiled_charsmap',
      });
    }
    this.blob = blob;
    this.#units = new Int32Array(trieBytes / 4);
    for (let i = 0; i < this.#units.length; i++) this.#units[i] = view.getInt32(4 + 4 * i, true);
    this.#pool = blob.subarray(4 + trieBytes);
  }

  /** Where the rule that `match` found last ends in the text. */
  matchEnd = 0;

  /**
   * The replacement for a rule that begins at `from`, or undefined where none does; sets `matchEnd`.
   * @param longest the longest rule within text[from, to), else the shortest
   */
  match(text: string, from: number, to: number, longest: boolean): string | undefined {
    const units = this.#units;
    let value = -1;
    let position = offset(units[0]);
    walk: for (let at = from; at < to; ) {
      const codePoint = text.codePointAt(at)!;
      at += codePoint > 0xffff ? 2 : 1;
      if (codePoint === 0) break; // label 0 marks leaves
      const bytes = codePoint < 0x80 ? BYTES[codePoint] : utf8Bytes(codePoint);
      for (let i = 0; i < bytes.length; i++) {
        position ^= bytes[i];
        const unit = units[position]; // undefined beyond the array: equals no label
        if ((unit & 0x800000ff) !== bytes[i]) break walk;
        position ^= offset(unit);
        if (i === bytes.length - 1 && (unit >>> 8) & 1) {
          value = units[position] & 0x7fffffff;
          this.matchEnd = at;
          if (!longest) break walk;
        }
      }
    }
    return value < 0 ? undefined : this.#replacement(value);
  }

  #replacement(value: number): string {
    let text = this.#replacements.get(value);
    if (text === undefined) {
      const end = this.#pool.indexOf(0, value);
      if (end < 0) {
        throw new HypertuneError('FILE_FORMAT', `a rule points to byte ${value} of ${this.#pool.length}.`, {
          field: 'precompiled_charsmap',
        });
      }
      text = Buffer.from(this.#pool.subarray(value, end)).toString('utf8');
      this.#replacements.set(value, text);
    }
    return text;
  }
}

function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
