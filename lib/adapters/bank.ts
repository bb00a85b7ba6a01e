/**
 * The bank of adapters that live on a device. A slot is an adapter: any combination of low-rank terms, key/value prefixes and
 * a soft prompt, with ranks and lengths of its own. Slot 0 is "none". Every row of a batch names its slot.
 */
import type { Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { Graph } from '../graph/index.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import type { Adaptation } from '../t5/decoding/index.ts';
import type { States } from '../t5/states.ts';
import { GrowingBuffer, PagedRows } from './paged-rows.ts';

export type PrefixPolicy = 'zero' | 'preceding';

export interface BankOptions {
  /** Rank rows and prefix rows per page. */
  pageRank?: number;
  pageLength?: number;
  /** Largest rank of one linear, largest prefix and prompt of one adapter. */
  maxRank?: number;
  maxLength?: number;
}

/** What an adapter consists of; sizes only. */
export interface AdapterLayout {
  /** Rank, sizes and scale by module path. */
  lowRank: ReadonlyMap<string, { rank: number; inFeatures: number; outFeatures: number; scale: number }>;
  /** Sites with a prefix of `prefixLength` rows. */
  prefix: readonly string[];
  prefixLength: number;
  policy: PrefixPolicy;
  /** Whether prefix scores carry a learned bias per head. */
  logitBias: boolean;
  promptLength: number;
}

/** A low-rank term of one linear in the bank, with its place in every slot. */
class LowRankSite {
  readonly rows: PagedRows;
  readonly table: GrowingBuffer;
  readonly scale: GrowingBuffer;
  readonly inFeatures: number;
  readonly outFeatures: number;

  constructor(engine: Engine, path: string, inFeatures: number, outFeatures: number, slots: number, pageRank: number, tableWidth: number) {
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.rows = new PagedRows(engine, pageRank, [inFeatures, outFeatures], FIRST_PAGES, path);
    this.table = new GrowingBuffer(engine, 'i32', slots * tableWidth, `${path}.table`, -1);
    this.scale = new GrowingBuffer(engine, 'f32', slots, `${path}.scale`);
  }

  dispose(): void {
    for (const part of [this.rows, this.table, this.scale]) part.dispose();
  }
}

class PrefixSite {
  readonly rows: PagedRows;
  readonly table: GrowingBuffer;
  readonly length: GrowingBuffer;
  readonly bias: GrowingBuffer;

  constructor(engine: Engine, site: string, inner: number, heads: number, slots: number, pageLength: number, tableWidth: number) {
    this.rows = new PagedRows(engine, pageLength, [inner, inner], FIRST_PAGES, site);
    this.table = new GrowingBuffer(engine, 'i32', slots * tableWidth, `${site}.table`, -1);
    this.length = new GrowingBuffer(engine, 'i32', slots, `${site}.length`);
    this.bias = new GrowingBuffer(engine, 'f32', slots * heads, `${site}.bias`);
  }

  dispose(): void {
    for (const part of [this.rows, this.table, this.length, this.bias]) part.dispose();
  }
}

/** The slot number a row feeds to the T5; a soft prompt alone needs none, its rows are in the input. */
export function slotId(slot: Slot | undefined): number {
  return slot && (slot.lowRank.size || slot.prefix.size) ? slot.id : 0;
}

/** An adapter's place: its pages at every site. */
export interface Slot {
  readonly id: number;
  readonly layout: AdapterLayout;
  readonly lowRank: ReadonlyMap<string, Int32Array>;
  readonly prefix: ReadonlyMap<string, Int32Array>;
  readonly prompt: Int32Array;
}

const FIRST_SLOTS = 16;
const FIRST_PAGES = 16;

export class AdapterBank {
  readonly engine: Engine;
  readonly config: T5Config;
  readonly options: Required<BankOptions>;
  private readonly lowRank = new Map<string, LowRankSite>();
  private readonly prefix = new Map<string, PrefixSite>();
  private prompt: PagedRows | undefined;
  private readonly slots = new Map<number, Slot>();
  private readonly freeSlots: number[] = [];
  private capacity = FIRST_SLOTS;
  private next = 1;
  /** Raised whenever a program's view of the bank is out of date. */
  private version = 0;
  /** Changes of the bank's structure run one after the other. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, config: T5Config, options: BankOptions = {}) {
    this.engine = engine;
    this.config = config;
    this.options = { pageRank: 4, pageLength: 8, maxRank: 256, maxLength: 512, ...options };
  }

  /** Adapters in the bank. */
  get size(): number {
    return this.slots.size;
  }

  /** What the T5 sees of the bank; prefixes of the other policy are invisible. */
  adaptation(policy: PrefixPolicy): Adaptation {
    return { key: () => `${policy}/${this.version}`, states: (g) => this.states(g, policy) };
  }

  /** Finds room for an adapter; its rows are still to be written (`write`, or a program through `rowIndex`). */
  reserve(layout: AdapterLayout): Promise<Slot> {
    const run = this.queue.then(() => this.take(layout));
    this.queue = run.catch(() => undefined);
    return run;
  }

  /** Rows of one linear's A and B, or of one site's keys and values, as indices into the matrices of `buffers`. */
  rowIndex(slot: Slot, kind: 'lowRank' | 'prefix', name: string): Int32Array {
    const rows = kind === 'lowRank' ? this.lowRankSite(name).rows : this.prefixSite(name).rows;
    const count = kind === 'lowRank' ? slot.layout.lowRank.get(name)!.rank : slot.layout.prefixLength;
    return rows.rowIndex(slot[kind].get(name)!, count);
  }

  /** The two matrices of a linear (A, B) or of a site (keys, values). */
  buffers(kind: 'lowRank' | 'prefix', name: string) {
    const { rows } = kind === 'lowRank' ? this.lowRankSite(name) : this.prefixSite(name);
    return rows.matrices.map(({ buffer }, i) => ({ buffer, shape: [rows.rows, rows.widths[i]] }));
  }

  /** Identifies the buffers a program that writes into the bank was compiled with. */
  get key(): string {
    return String(this.version);
  }

  /** Rows [rank, in] and [rank, out] of a linear, or keys and values [length, inner] of a site. */
  async write(slot: Slot, kind: 'lowRank' | 'prefix', name: string, first: Float32Array, second: Float32Array): Promise<void> {
    const { rows } = kind === 'lowRank' ? this.lowRankSite(name) : this.prefixSite(name);
    const pages = slot[kind].get(name)!;
    await rows.write(0, pages, first);
    await rows.write(1, pages, second);
  }

  async read(slot: Slot, kind: 'lowRank' | 'prefix', name: string): Promise<[Float32Array, Float32Array]> {
    const { rows } = kind === 'lowRank' ? this.lowRankSite(name) : this.prefixSite(name);
    const pages = slot[kind].get(name)!;
    const count = kind === 'lowRank' ? slot.layout.lowRank.get(name)!.rank : slot.layout.prefixLength;
    return [await rows.read(this.engine, 0, pages, count), await rows.read(this.engine, 1, pages, count)];
  }

  writePrompt(slot: Slot, rows: Float32Array): Promise<void> {
    return this.prompt!.write(0, slot.prompt, rows);
  }

  readPrompt(slot: Slot): Promise<Float32Array> {
    return this.prompt!.read(this.engine, 0, slot.prompt, slot.layout.promptLength);
  }

  /** Logit bias [heads] of a slot's prefix at one site. */
  async writePrefixBias(slot: Slot, site: string, bias: Float32Array): Promise<void> {
    await this.prefixSite(site).bias.write(bias, slot.id * this.config.numHeads);
  }

  async readPrefixBias(slot: Slot, site: string): Promise<Float32Array> {
    const { numHeads } = this.config;
    return Float32Array.from(await this.engine.read(this.prefixSite(site).bias.buffer, slot.id * numHeads, numHeads));
  }

  /** Token ids that stand for a slot's prompt rows: they go in front of the row's own. */
  promptIds(slot: Slot): Int32Array {
    if (slot.layout.promptLength === 0) return new Int32Array(0);
    return this.prompt!.rowIndex(slot.prompt, slot.layout.promptLength).map((row) => this.config.vocabSize + row);
  }

  /** Gives the adapter's room back to whoever reserves next: callers wait for calls in flight first (`Adapter.release`). */
  free(slot: Slot): void {
    if (!this.slots.delete(slot.id)) return;
    for (const [path, pages] of slot.lowRank) this.lowRankSite(path).rows.pages.give(pages);
    for (const [site, pages] of slot.prefix) this.prefixSite(site).rows.pages.give(pages);
    this.prompt?.pages.give(slot.prompt);
    this.freeSlots.push(slot.id);
  }

  dispose(): void {
    for (const site of [...this.lowRank.values(), ...this.prefix.values()]) site.dispose();
    this.prompt?.dispose();
  }

  private lowRankSite(path: string): LowRankSite {
    return this.lowRank.get(path)!;
  }

  private prefixSite(site: string): PrefixSite {
    return this.prefix.get(site)!;
  }

  private get rankPages(): number {
    return Math.ceil(this.options.maxRank / this.options.pageRank);
  }

  private get lengthPages(): number {
    return Math.ceil(this.options.maxLength / this.options.pageLength);
  }

  private async take(layout: AdapterLayout): Promise<Slot> {
    this.check(layout);
    const id = this.freeSlots.pop() ?? this.next++;
    if (id >= this.capacity) await this.growSlots();
    const { numHeads, dModel } = this.config;
    const inner = innerWidth(this.config);
    const lowRank = new Map<string, Int32Array>();
    const prefix = new Map<string, Int32Array>();
    const reserve = async (rows: PagedRows, count: number) => {
      const { pages, grown } = await rows.reserve(count);
      if (grown) this.version++;
      return pages;
    };
    for (const [path, { rank, inFeatures, outFeatures }] of layout.lowRank) {
      if (!this.lowRank.has(path)) {
        this.lowRank.set(path, new LowRankSite(this.engine, path, inFeatures, outFeatures, this.capacity, this.options.pageRank, this.rankPages));
        this.version++;
      }
      const site = this.lowRankSite(path);
      await site.table.ready;
      const pages = await reserve(site.rows, rank);
      if (rank % this.options.pageRank) await this.clearLast(site.rows, pages);
      lowRank.set(path, pages);
    }
    for (const name of layout.prefix) {
      if (!this.prefix.has(name)) {
        this.prefix.set(name, new PrefixSite(this.engine, name, inner, numHeads, this.capacity, this.options.pageLength, this.lengthPages));
        this.version++;
      }
      await this.prefixSite(name).table.ready;
      prefix.set(name, await reserve(this.prefixSite(name).rows, layout.prefixLength));
    }
    let prompt: Int32Array = new Int32Array(0);
    if (layout.promptLength > 0) {
      if (!this.prompt) {
        this.prompt = new PagedRows(this.engine, this.options.pageLength, [dModel], FIRST_PAGES, 'prompt');
        this.version++;
      }
      prompt = await reserve(this.prompt, layout.promptLength);
    }
    const slot: Slot = { id, layout, lowRank, prefix, prompt };
    this.slots.set(id, slot);
    await this.enter(slot);
    return slot;
  }

  /** Every table's row of the slot, also of sites the adapter does not use: the slot may have belonged to another. */
  private async enter(slot: Slot): Promise<void> {
    for (const [path, site] of this.lowRank) {
      const row = new Int32Array(this.rankPages).fill(-1);
      row.set(slot.lowRank.get(path) ?? []);
      await site.table.write(row, slot.id * row.length);
      await site.scale.write(Float32Array.of(slot.layout.lowRank.get(path)?.scale ?? 0), slot.id);
    }
    for (const [name, site] of this.prefix) {
      const pages = slot.prefix.get(name);
      const row = new Int32Array(this.lengthPages).fill(-1);
      row.set(pages ?? []);
      await site.table.write(row, slot.id * row.length);
      await site.length.write(Int32Array.of(pages ? slot.layout.prefixLength : 0), slot.id);
      await site.bias.write(new Float32Array(this.config.numHeads), slot.id * this.config.numHeads);
    }
  }

  /** A rank that does not fill its last page leaves rows that must contribute nothing. */
  private async clearLast(rows: PagedRows, pages: Int32Array): Promise<void> {
    const last = pages.subarray(pages.length - 1);
    for (const [i, width] of rows.widths.entries()) await rows.write(i, last, new Float32Array(rows.pageRows * width));
  }

  private async growSlots(): Promise<void> {
    const capacity = this.capacity * 2;
    for (const site of this.lowRank.values()) {
      await site.table.grow(capacity * this.rankPages);
      await site.scale.grow(capacity);
    }
    for (const site of this.prefix.values()) {
      await site.table.grow(capacity * this.lengthPages);
      await site.length.grow(capacity);
      await site.bias.grow(capacity * this.config.numHeads);
    }
    this.capacity = capacity;
    this.version++;
  }

  private check({ lowRank, prefix, prefixLength, promptLength }: AdapterLayout): void {
    const { maxRank, maxLength } = this.options;
    const refuse = (field: string, value: number, max: number) => {
      throw new HypertuneError('ARGUMENT_RANGE', `${field} ${value} is outside 1 to ${max}.`, { field, remedy: `Load the model with a larger bank, e.g. { bank: { ${field === 'rank' ? 'maxRank' : 'maxLength'}: ${value} } }.` });
    };
    for (const { rank } of lowRank.values()) if (rank < 1 || rank > maxRank) refuse('rank', rank, maxRank);
    if (prefix.length && (prefixLength < 1 || prefixLength > maxLength)) refuse('prefix length', prefixLength, maxLength);
    if (promptLength > maxLength) refuse('prompt length', promptLength, maxLength);
  }

  private states(g: Graph, policy: PrefixPolicy): States | undefined {
    if (this.lowRank.size + this.prefix.size === 0 && !this.prompt) return undefined;
    const slots = this.capacity;
    const { pageRank, pageLength } = this.options;
    return {
      pageRank,
      lowRank: (path) => {
        const site = this.lowRank.get(path);
        if (!site) return undefined;
        const [a, b] = site.rows.matrices.map(({ buffer }, i) => g.buffer(buffer, [site.rows.rows, site.rows.widths[i]]));
        return { a, b, table: g.buffer(site.table.buffer, [slots, this.rankPages]), scale: g.buffer(site.scale.buffer, [slots]) };
      },
      prefix: (name) => {
        const site = this.prefix.get(name);
        if (!site) return undefined;
        const [k, v] = site.rows.matrices.map(({ buffer }, i) => g.buffer(buffer, [site.rows.rows, site.rows.widths[i]]));
        return {
          k, v, table: g.buffer(site.table.buffer, [slots, this.lengthPages]), length: g.buffer(site.length.buffer, [slots]),
          bias: g.buffer(site.bias.buffer, [slots, this.config.numHeads]), pageLength, policy,
        };
      },
      prompt: this.prompt && g.buffer(this.prompt.matrices[0].buffer, [this.prompt.rows, this.config.dModel]),
    };
  }
}
