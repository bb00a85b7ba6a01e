/** Token ids with the spans [start, end) of the text they came from, in UTF-16 units; grows as needed. */
export class TokenBuffer {
  #ids = new Int32Array(64);
  #offsets = new Int32Array(128);
  #length = 0;

  push(id: number, start: number, end: number): void {
    if (this.#length === this.#ids.length) {
      const ids = new Int32Array(2 * this.#ids.length);
      ids.set(this.#ids);
      const offsets = new Int32Array(2 * this.#offsets.length);
      offsets.set(this.#offsets);
      this.#ids = ids;
      this.#offsets = offsets;
    }
    this.#offsets[2 * this.#length] = start;
    this.#offsets[2 * this.#length + 1] = end;
    this.#ids[this.#length++] = id;
  }

  ids(): Int32Array {
    return this.#ids.slice(0, this.#length);
  }

  /** Start and end of every token: int32 [2 * tokens]. */
  offsets(): Int32Array {
    return this.#offsets.slice(0, 2 * this.#length);
  }
}
