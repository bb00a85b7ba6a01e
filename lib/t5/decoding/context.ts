/** Device memory of one generate call: cross-attention keys and values, self-attention caches, and the rows' own state. */
import type { DeviceBuffer, DType, Engine } from '../../engine/engine.ts';
import type { Graph, Size } from '../../graph/index.ts';
import { innerWidth } from '../config.ts';
import type { T5Config } from '../config.ts';
import type { CrossKV } from '../stack.ts';
import { ProgramCache } from './program-cache.ts';

/** Sizes of a context, all powers of two. */
export interface ContextCapacity {
  /** Decoder rows; encoder rows are never more. */
  rows: number;
  /** Encoder tokens. */
  tokens: number;
  /** Decoder tokens per row. */
  length: number;
}

interface KeysValues {
  k: DeviceBuffer;
  v: DeviceBuffer;
}

/** Programs bound to one context: encode and step, for a few structures. */
const PROGRAMS_KEPT = 8;

export class DecodeContext {
  readonly engine: Engine;
  readonly capacity: ContextCapacity;
  readonly programs = new ProgramCache(PROGRAMS_KEPT);
  /** i32 [rows] each: last token, tokens so far, 1 for ended rows. */
  readonly token: DeviceBuffer;
  readonly length: DeviceBuffer;
  readonly done: DeviceBuffer;
  /** i32 [rows, length]: tokens so far. */
  readonly history: DeviceBuffer;
  private readonly inner: number;
  private readonly cross: KeysValues[] = [];
  private readonly caches: KeysValues[] = [];
  private readonly buffers: DeviceBuffer[] = [];

  /** Throws MEMORY_LIMIT. */
  constructor(engine: Engine, config: T5Config, capacity: ContextCapacity) {
    this.engine = engine;
    this.capacity = capacity;
    this.inner = innerWidth(config);
    const { rows, tokens, length } = capacity;
    try {
      this.token = this.allocate('i32', rows, 'token');
      this.length = this.allocate('i32', rows, 'length');
      this.done = this.allocate('i32', rows, 'done');
      this.history = this.allocate('i32', rows * length, 'history');
      for (let block = 0; block < config.numDecoderLayers; block++) {
        this.cross.push(this.keysValues(tokens, `cross.${block}`));
        this.caches.push(this.keysValues(rows * length, `cache.${block}`));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Keys and values of all cross-attention sites, [tokens, inner]. */
  crossValues(g: Graph, tokens: Size): CrossKV[] {
    return this.cross.map((site) => this.values(g, site, tokens));
  }

  /** Self-attention caches by block, [rows * length, inner]. */
  cacheValues(g: Graph, cacheRows: Size): CrossKV[] {
    return this.caches.map((site) => this.values(g, site, cacheRows));
  }

  dispose(): void {
    this.programs.dispose();
    for (const buffer of this.buffers) buffer.dispose();
  }

  private values(g: Graph, { k, v }: KeysValues, rows: Size): CrossKV {
    return { k: g.buffer(k, [rows, this.inner]), v: g.buffer(v, [rows, this.inner]) };
  }

  private keysValues(rows: number, name: string): KeysValues {
    return { k: this.allocate('f32', rows * this.inner, `${name}.k`), v: this.allocate('f32', rows * this.inner, `${name}.v`) };
  }

  private allocate(dtype: DType, elements: number, name: string): DeviceBuffer {
    const buffer = this.engine.buffer(dtype, elements, { name });
    this.buffers.push(buffer);
    return buffer;
  }
}
