/**
 * Prefix tree over UTF-16 units with integer values. Edges live in one open-addressing hash table of typed arrays,
 * keyed by (node, unit): a step costs one probe on average, whatever the fan-out.
 */
export class UnitTrie {
  static readonly ROOT = 0;
  /** Value of each node, -1 where no key ends. */
  readonly values: Int32Array;
  readonly #parents: Int32Array;
  readonly #units: Uint16Array;
  readonly #children: Int32Array;
  readonly #shift: number;
  #nodes = 1;

  /** @param capacity at least the summed length of all keys that will be added */
  constructor(capacity: number) {
    const bits = Math.max(4, Math.ceil(Math.log2((capacity + 1) * 2)));
    this.#shift = 32 - bits;
    this.values = new Int32Array(capacity + 1).fill(-1);
    this.#parents = new Int32Array(2 ** bits).fill(-1);
    this.#units = new Uint16Array(2 ** bits);
    this.#children = new Int32Array(2 ** bits);
  }

  /** A trie that maps each key to its index; keys for which `include` is false stay out. */
  static of(keys: readonly string[], include: (index: number) => boolean = () => true): UnitTrie {
    let capacity = 0;
    for (const key of keys) capacity += key.length;
    const trie = new UnitTrie(capacity);
    for (let i = 0; i < keys.length; i++) if (include(i)) trie.add(keys[i], i);
    return trie;
  }

  add(key: string, value: number): void {
    let node = UnitTrie.ROOT;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      const slot = this.#slot(node, unit);
      if (this.#parents[slot] < 0) {
        this.#parents[slot] = node;
        this.#units[slot] = unit;
        this.#children[slot] = this.#nodes++;
      }
      node = this.#children[slot];
    }
    this.values[node] = value;
  }

  /** The child of `node` along `unit`, or -1. */
  step(node: number, unit: number): number {
    const slot = this.#slot(node, unit);
    return this.#parents[slot] < 0 ? -1 : this.#children[slot];
  }

  /** Value of the key text[from, to), or -1. */
  find(text: string, from: number, to: number): number {
    let node = UnitTrie.ROOT;
    for (let i = from; i < to && node >= 0; i++) node = this.step(node, text.charCodeAt(i));
    return node < 0 ? -1 : this.values[node];
  }

  /** The slot that holds the edge, or the free slot where it belongs. */
  #slot(node: number, unit: number): number {
    const parents = this.#parents;
    const mask = parents.length - 1;
    // Multiplicative hashing (Knuth, vol. 3, 6.4): the high bits of the product are the mixed ones.
    let slot = Math.imul(Math.imul(node, 0x9e3779b1) + unit, 0x85ebca6b) >>> this.#shift;
    while (parents[slot] >= 0 && (parents[slot] !== node || this.#units[slot] !== unit)) slot = (slot + 1) & mask;
    return slot;
  }
}
