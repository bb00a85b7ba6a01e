import type { Engine } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import type { T5Config } from '../config.ts';
import { DecodeContext } from './context.ts';
import { capacity } from './packing.ts';

/** Contexts kept for the next call. */
const IDLE_KEPT = 4;
const LEAST_ROWS = 1;
const LEAST_TOKENS = 64;
const LEAST_LENGTH = 32;

/** Contexts that no call uses, the most recent one last. A context belongs to one call at a time. */
export class ContextPool {
  private readonly engine: Engine;
  private readonly config: T5Config;
  private idle: DecodeContext[] = [];
  private closed = false;

  constructor(engine: Engine, config: T5Config) {
    this.engine = engine;
    this.config = config;
  }

  /** A context for so many decoder rows, encoder tokens and decoder tokens per row. Throws MEMORY_LIMIT. */
  acquire(need: { rows: number; tokens: number; length: number }): DecodeContext {
    const size = { rows: capacity(need.rows, LEAST_ROWS), tokens: capacity(need.tokens, LEAST_TOKENS), length: capacity(need.length, LEAST_LENGTH) };
    const found = this.idle.findLastIndex(({ capacity: c }) => c.rows === size.rows && c.tokens === size.tokens && c.length === size.length);
    if (found >= 0) return this.idle.splice(found, 1)[0];
    return this.withRoom(() => new DecodeContext(this.engine, this.config, size));
  }

  release(context: DecodeContext): void {
    this.idle.push(context);
    const kept = this.closed ? 0 : IDLE_KEPT;
    while (this.idle.length > kept) this.idle.shift()!.dispose();
  }

  /** Runs `allocate`, once more without the idle contexts if memory does not suffice. */
  withRoom<T>(allocate: () => T): T {
    try {
      return allocate();
    } catch (error) {
      if (!(error instanceof HypertuneError) || error.code !== 'MEMORY_LIMIT' || this.idle.length === 0) throw error;
      this.dropIdle();
      return allocate();
    }
  }

  /** Contexts still in use are disposed when they come back. */
  dispose(): void {
    this.closed = true;
    this.dropIdle();
  }

  private dropIdle(): void {
    for (const context of this.idle) context.dispose();
    this.idle = [];
  }
}
