/** An adapter of the bank as trained buffers: what tuning moves while the T5 stays frozen. */
import type { AdapterBank, Slot } from '../adapters/bank.ts';
import type { DeviceBuffer } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { fill } from '../graph/index.ts';
import type { Graph, LowRank, Value } from '../graph/index.ts';
import type { Parameter } from '../t5/parameters.ts';
import type { KVPrefix, States } from '../t5/states.ts';

const LENGTH = 'tuned.length';
const pagesFeed = (pages: number) => `tuned.pages.${pages}`;

/** fp32 copies of one slot's values; every row of a batch reads them as slot 0. */
export class TrainableStates {
  /** `<path>.a` [rank, in], `<path>.b` [rank, out], `<site>.k` and `.v` [length, inner], `<site>.logit_bias` [1, heads], `prompt` [length, d]. */
  readonly parameters: readonly Parameter[];
  /** What the feeds of `states` hold in every run. */
  readonly feeds: Readonly<Record<string, Int32Array>>;
  private readonly bank: AdapterBank;
  private readonly slot: Slot;
  private readonly byName: ReadonlyMap<string, Parameter>;
  private readonly pageRank: number;

  private constructor(bank: AdapterBank, slot: Slot, parameters: readonly Parameter[]) {
    const { lowRank, prefixLength } = slot.layout;
    this.bank = bank;
    this.slot = slot;
    this.parameters = parameters;
    this.byName = new Map(parameters.map((p) => [p.name, p]));
    this.pageRank = [...lowRank.values()].reduce((size, { rank }) => commonDivisor(size, rank), 0);
    const pages = new Set([...lowRank.values()].map(({ rank }) => rank / this.pageRank));
    if (prefixLength) pages.add(1);
    this.feeds = {
      ...Object.fromEntries([...pages].map((n) => [pagesFeed(n), Int32Array.from({ length: n }, (_, i) => i)])),
      ...(prefixLength ? { [LENGTH]: Int32Array.of(prefixLength) } : {}),
    };
  }

  /** Copies a slot's values into buffers of its own. Throws MEMORY_LIMIT. */
  static async of(bank: AdapterBank, slot: Slot): Promise<TrainableStates> {
    const parameters: Parameter[] = [];
    try {
      await forEachTensor(bank, slot, async (name, shape, read) => {
        const buffer = bank.engine.buffer('f32', shape[0] * shape[1], { name });
        parameters.push({ name, shape, buffer });
        await bank.engine.write(buffer, await read());
      });
      return new TrainableStates(bank, slot, parameters);
    } catch (error) {
      for (const { buffer } of parameters) buffer.dispose();
      throw error;
    }
  }

  /** Token ids that read the soft prompt; they go in front of every row. */
  get promptIds(): Int32Array {
    const { vocabSize } = this.bank.config;
    return Int32Array.from({ length: this.slot.layout.promptLength }, (_, i) => vocabSize + i);
  }

  /** The buffers at the T5's attach points. Declares the feeds of `feeds`. */
  states(g: Graph): States {
    const { lowRank, prefix, promptLength } = this.slot.layout;
    const value = (name: string) => this.value(g, name);
    const feed = (name: string, shape: readonly number[]) => g.feeds.get(name) ?? g.feed(name, 'i32', [...shape]);
    const table = (pages: number) => feed(pagesFeed(pages), [1, pages]);
    const low = new Map<string, LowRank>();
    for (const [path, { rank, scale }] of lowRank) {
      low.set(path, { a: value(`${path}.a`), b: value(`${path}.b`), table: table(rank / this.pageRank), scale: fill(g, { value: scale, shape: [1] }) });
    }
    const rows = new Map<string, KVPrefix>();
    for (const site of prefix) rows.set(site, this.keysAndValues(site, value, table(1), feed(LENGTH, [1])));
    return {
      pageRank: this.pageRank || undefined,
      lowRank: (path) => low.get(path),
      prefix: (site) => rows.get(site),
      prompt: promptLength ? value('prompt') : undefined,
    };
  }

  /** Writes the values into a new slot. Throws NUMERIC, taking no slot, where one is not finite. */
  async store(): Promise<Slot> {
    const { bank } = this;
    const { layout } = this.slot;
    const values = new Map<string, Float32Array>();
    for (const { name, buffer } of this.parameters) values.set(name, await readFinite(bank, name, buffer));
    const slot = await bank.reserve(layout);
    try {
      for (const path of layout.lowRank.keys()) await bank.write(slot, 'lowRank', path, values.get(`${path}.a`)!, values.get(`${path}.b`)!);
      for (const site of layout.prefix) {
        await bank.write(slot, 'prefix', site, values.get(`${site}.k`)!, values.get(`${site}.v`)!);
        if (layout.logitBias) await bank.writePrefixBias(slot, site, values.get(`${site}.logit_bias`)!);
      }
      if (layout.promptLength) await bank.writePrompt(slot, values.get('prompt')!);
      return slot;
    } catch (error) {
      bank.free(slot);
      throw error;
    }
  }

  dispose(): void {
    for (const { buffer } of this.parameters) buffer.dispose();
  }

  private keysAndValues(site: string, value: (name: string) => Value, table: Value, length: Value): KVPrefix {
    const { logitBias, prefixLength, policy } = this.slot.layout;
    return { k: value(`${site}.k`), v: value(`${site}.v`), table, length, bias: logitBias ? value(`${site}.logit_bias`) : undefined, pageLength: prefixLength, policy };
  }

  private value(g: Graph, name: string): Value {
    const { buffer, shape } = this.byName.get(name)!;
    return g.buffer(buffer, shape, name);
  }
}

/** Visits the slot's tensors in the order of its layout. */
async function forEachTensor(bank: AdapterBank, slot: Slot, visit: (name: string, shape: readonly [number, number], read: () => Promise<Float32Array>) => Promise<void>): Promise<void> {
  const { lowRank, prefix, prefixLength, logitBias, promptLength } = slot.layout;
  const { numHeads, dKv, dModel } = bank.config;
  for (const [path, { rank, inFeatures, outFeatures }] of lowRank) {
    const pair = await bank.read(slot, 'lowRank', path);
    await visit(`${path}.a`, [rank, inFeatures], async () => pair[0]);
    await visit(`${path}.b`, [rank, outFeatures], async () => pair[1]);
  }
  for (const site of prefix) {
    const pair = await bank.read(slot, 'prefix', site);
    await visit(`${site}.k`, [prefixLength, numHeads * dKv], async () => pair[0]);
    await visit(`${site}.v`, [prefixLength, numHeads * dKv], async () => pair[1]);
    if (logitBias) await visit(`${site}.logit_bias`, [1, numHeads], () => bank.readPrefixBias(slot, site));
  }
  if (promptLength) await visit('prompt', [promptLength, dModel], () => bank.readPrompt(slot));
}

async function readFinite(bank: AdapterBank, name: string, buffer: DeviceBuffer): Promise<Float32Array> {
  const values = Float32Array.from(await bank.engine.read(buffer));
  if (!values.every(Number.isFinite)) {
    throw new HypertuneError('NUMERIC', `${name} is not finite after tuning.`, { field: 'learningRate', remedy: 'Lower the learning rate.' });
  }
  return values;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
