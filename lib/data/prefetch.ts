/** Batches built ahead, while the device runs the step before: the step occupies another thread, this one is free meanwhile. */
import { requirePositiveInteger } from './hyper-input.ts';

export interface PrefetchOptions {
  /** Batches ready at most. Default 2. */
  ahead?: number;
  /** Milliseconds, of any origin. */
  clock?: () => number;
}

type Outcome<Batch> = { readonly batch: Batch } | { readonly error: unknown };

/**
 * The batches of `batchOf(from)`, `batchOf(from + 1)`, ... in order. `batchOf` stays a pure function of its index, so batches
 * do not depend on when they were built. One batch is built per turn of the event loop: a step that has ended is heard
 * after at most one.
 */
export class Prefetch<Batch> {
  /** Seconds that `next` kept its callers waiting. */
  waited = 0;
  /** Seconds spent in a `batchOf` that is not asynchronous. */
  built = 0;
  private readonly batchOf: (index: number) => Batch | Promise<Batch>;
  private readonly ahead: number;
  private readonly clock: () => number;
  private readonly ready: Promise<Outcome<Batch>>[] = [];
  private building: number;
  private turn: NodeJS.Immediate | undefined;
  private stopped = false;

  constructor(batchOf: (index: number) => Batch | Promise<Batch>, from: number, { ahead = 2, clock = () => performance.now() }: PrefetchOptions = {}) {
    requirePositiveInteger(ahead, 'ahead');
    this.batchOf = batchOf;
    this.building = from;
    this.ahead = ahead;
    this.clock = clock;
    this.plan();
  }

  /** The next batch, built now if it is not there yet. Rejects with what `batchOf` threw for it; every later call does too. */
  async next(): Promise<Batch> {
    const started = this.clock();
    if (this.ready.length === 0) this.build();
    const outcome = await this.ready[0];
    this.waited += (this.clock() - started) / 1000;
    if ('error' in outcome) throw outcome.error;
    void this.ready.shift();
    this.plan();
    return outcome.batch;
  }

  /** Stops building. */
  dispose(): void {
    this.stopped = true;
    clearImmediate(this.turn);
    this.turn = undefined;
  }

  private plan(): void {
    if (this.turn !== undefined || this.isFull()) return;
    this.turn = setImmediate(() => {
      this.turn = undefined;
      if (this.isFull()) return; // `next` built one meanwhile
      this.build();
      this.plan();
    });
  }

  private isFull(): boolean {
    return this.stopped || this.ready.length >= this.ahead;
  }

  private build(): void {
    const index = this.building++;
    const started = this.clock();
    const outcome = outcomeOf(() => this.batchOf(index)).then((result) => {
      if ('error' in result) this.stopped = true;
      return result;
    });
    this.built += (this.clock() - started) / 1000;
    this.ready.push(outcome);
  }
}

async function outcomeOf<Batch>(build: () => Batch | Promise<Batch>): Promise<Outcome<Batch>> {
  try {
    return { batch: await build() };
  } catch (error) {
    return { error };
  }
}

/** Builds up to `ahead` batches from index `from` on before they are asked for. */
export function prefetch<Batch>(batchOf: (index: number) => Batch | Promise<Batch>, from: number, ahead = 2): Prefetch<Batch> {
  return new Prefetch(batchOf, from, { ahead });
}
