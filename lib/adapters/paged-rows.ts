/** Rows of a growing device matrix, handed out in pages; a slot owns a list of pages. */
import type { DeviceBuffer, Engine, HostArray } from '../engine/engine.ts';

/** Page ids with a free list: taking and giving back is constant time, whatever is in use. */
export class PageAllocator {
  capacity: number;
  private readonly free: number[] = [];
  private next = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Whether `count` pages can be taken without growing. */
  fits(count: number): boolean {
    return this.free.length + this.capacity - this.next >= count;
  }

  take(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.free.pop() ?? this.next++);
  }

  give(pages: Iterable<number>): void {
    this.free.push(...pages);
  }
}

/** A buffer whose capacity doubles; its content moves along. */
export class GrowingBuffer {
  buffer: DeviceBuffer;
  /** Settles once the fill value is in place. */
  readonly ready: Promise<void>;
  private readonly engine: Engine;
  private readonly dtype: 'f32' | 'i32';
  private readonly name: string;
  private readonly fill: number;

  /** `fill` is the value of elements nobody has written. */
  constructor(engine: Engine, dtype: 'f32' | 'i32', elements: number, name: string, fill = 0) {
    this.engine = engine;
    this.dtype = dtype;
    this.name = name;
    this.fill = fill;
    this.buffer = engine.buffer(dtype, elements, { name });
    this.ready = fill ? engine.write(this.buffer, filled(dtype, elements, fill)) : Promise.resolve();
  }

  /** Programs compiled with the old buffer keep it until they go. */
  async grow(elements: number): Promise<void> {
    const old = this.buffer;
    const content = await this.engine.read(old);
    const grown = this.engine.buffer(this.dtype, elements, { name: this.name });
    if (this.fill) await this.engine.write(grown, filled(this.dtype, elements, this.fill));
    await this.engine.write(grown, content);
    this.buffer = grown;
    old.dispose();
  }

  write(data: HostArray, offset: number): Promise<void> {
    return this.engine.write(this.buffer, data, offset);
  }

  dispose(): void {
    this.buffer.dispose();
  }
}

function filled(dtype: 'f32' | 'i32', elements: number, value: number): HostArray {
  return dtype === 'f32' ? new Float32Array(elements).fill(value) : new Int32Array(elements).fill(value);
}

/** Matrices that share their pages: A and B of a linear, keys and values of a site. */
export class PagedRows {
  readonly pageRows: number;
  readonly widths: readonly number[];
  readonly matrices: readonly GrowingBuffer[];
  readonly pages: PageAllocator;

  constructor(engine: Engine, pageRows: number, widths: readonly number[], pages: number, name: string) {
    this.pageRows = pageRows;
    this.widths = widths;
    this.pages = new PageAllocator(pages);
    this.matrices = widths.map((width, i) => new GrowingBuffer(engine, 'f32', pages * pageRows * width, `${name}.${i}`));
  }

  /** Rows of the matrices. */
  get rows(): number {
    return this.pages.capacity * this.pageRows;
  }

  /** Pages for `rows` rows; true where the buffers had to be replaced. */
  async reserve(rows: number): Promise<{ pages: Int32Array; grown: boolean }> {
    const count = Math.ceil(rows / this.pageRows);
    const grown = !this.pages.fits(count);
    if (grown) {
      let capacity = this.pages.capacity;
      while (capacity < this.pages.capacity + count) capacity *= 2;
      for (const [i, matrix] of this.matrices.entries()) await matrix.grow(capacity * this.pageRows * this.widths[i]);
      this.pages.capacity = capacity;
    }
    return { pages: this.pages.take(count), grown };
  }

  /** Index of each of the first `rows` rows of a page list. */
  rowIndex(pages: Int32Array, rows: number): Int32Array {
    return Int32Array.from({ length: rows }, (_, i) => pages[Math.floor(i / this.pageRows)] * this.pageRows + (i % this.pageRows));
  }

  /** Writes rows [rows, width] of one matrix; the rest of the last page becomes zero. */
  async write(matrix: number, pages: Int32Array, data: Float32Array): Promise<void> {
    const size = this.pageRows * this.widths[matrix];
    for (const [i, page] of pages.entries()) {
      const part = new Float32Array(size);
      part.set(data.subarray(i * size, (i + 1) * size));
      await this.matrices[matrix].write(part, page * size);
    }
  }

  async read(engine: Engine, matrix: number, pages: Int32Array, rows: number): Promise<Float32Array> {
    const width = this.widths[matrix];
    const out = new Float32Array(rows * width);
    for (const [i, page] of pages.entries()) {
      const count = Math.min(this.pageRows, rows - i * this.pageRows) * width;
      out.set(await engine.read(this.matrices[matrix].buffer, page * this.pageRows * width, count), i * this.pageRows * width);
    }
    return out;
  }

  dispose(): void {
    for (const matrix of this.matrices) matrix.dispose();
  }
}
