/** An adapter in a bank, as its user holds it. */
import type { Example } from '../data/task.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { AdapterFile, AdapterPart, LoraFile, LoraModule, PrefixFile, PrefixSite, Stack } from '../files/adapter-file.ts';
import { checkAdapter } from '../files/check-adapter.ts';
import { writeAdapterFolder } from '../files/peft.ts';
import { t5Linears } from '../files/t5-linears.ts';
import type { TrainingStep } from '../train/loop.ts';
import { Tuning } from '../train/tune.ts';
import type { TuneReport, TuningBase, TuningOptions } from '../train/tune.ts';
import type { AdapterBank, AdapterLayout, Slot } from './bank.ts';

export interface AdapterSource {
  /** How it came about: `generated` by a hypermodel, `loaded` from a folder, `combined` from others, `fresh`, or `tuned` from another. */
  origin: 'generated' | 'loaded' | 'combined' | 'fresh' | 'tuned';
  /** Name of the base model, written into saved files. */
  baseModelName?: string;
  /** Scaling of LoRA modules: alpha by module path, where it is not scale * rank. */
  alphas?: ReadonlyMap<string, number>;
  /** What became of the examples it was generated from. */
  report?: AdaptReport;
  /** What became of the examples it was tuned on. */
  tuning?: TuneReport;
}

export interface TuneOptions extends TuningOptions {
  /** Called after every update; a promise is awaited. */
  onStep?: (step: TuneStep) => void | Promise<void>;
}

export interface TuneStep extends TrainingStep {
  /** The values after this update as an adapter of its own. To be called within `onStep`. */
  snapshot(): Promise<Adapter>;
}

/** What a hypermodel read. */
export interface AdaptReport {
  /** Examples that were read, and that did not fit the window. */
  used: number;
  dropped: number;
  /** Whether the only example was longer than the window and lost its end. */
  truncated: boolean;
  tokens: number;
  milliseconds: number;
}

export type AdapterKind = 'lora' | 'prefix' | 'prompt' | 'combined';

/** Frees the room of adapters that were dropped without dispose. */
const dropped = new FinalizationRegistry<{ bank: WeakRef<AdapterBank>; place: Slot }>(({ bank, place }) => bank.deref()?.free(place));

export class Adapter {
  readonly kind: AdapterKind;
  readonly source: AdapterSource;
  private readonly bank: AdapterBank;
  private readonly place: Slot;
  private readonly base: TuningBase | undefined;
  private closed = false;
  private uses = 0;

  /** @internal Use `HyperT5.adapt`, `HyperT5.loadAdapter` or `HyperT5.newAdapter`. Without `base` it cannot be tuned. */
  constructor(bank: AdapterBank, slot: Slot, source: AdapterSource, base?: TuningBase) {
    this.bank = bank;
    this.place = slot;
    this.source = source;
    this.base = base;
    this.kind = kindOf(slot.layout);
    dropped.register(this, { bank: new WeakRef(bank), place: slot }, this);
  }

  get disposed(): boolean {
    return this.closed;
  }

  /** Values it holds. */
  get parameters(): number {
    const { lowRank, prefix, prefixLength, promptLength } = this.place.layout;
    const inner = this.bank.config.numHeads * this.bank.config.dKv;
    let count = prefix.length * 2 * prefixLength * inner + promptLength * this.bank.config.dModel;
    for (const { rank, inFeatures, outFeatures } of lowRank.values()) count += rank * (inFeatures + outFeatures);
    return count;
  }

  /** @internal The slot, kept until `release`; throws HANDLE_CLOSED, or HANDLE_KIND where it belongs to another model. */
  acquire(bank: AdapterBank): Slot {
    if (this.closed) throw new HypertuneError('HANDLE_CLOSED', 'the adapter has been disposed.', { field: 'adapter', remedy: 'Adapt or load it again.' });
    if (bank !== this.bank) throw new HypertuneError('HANDLE_KIND', 'the adapter belongs to another model.', { field: 'adapter', remedy: 'Save it and load it with this model.' });
    this.uses++;
    return this.place;
  }

  /** @internal */
  release(): void {
    if (--this.uses === 0 && this.closed) this.bank.free(this.place);
  }

  /** @internal Sizes of what it holds. */
  get layout(): AdapterLayout {
    return this.place.layout;
  }

  /**
   * A new adapter that starts from this one's values and is trained on the examples by gradient steps (AdamW), the T5
   * frozen; this one stays as it is. Throws EXAMPLES_EMPTY, ARGUMENT_INVALID, ARGUMENT_RANGE, NUMERIC (a learning rate too
   * high), ABORTED, HANDLE_CLOSED; whatever is thrown, this adapter keeps its values and no memory stays taken.
   */
  async tune(examples: readonly Example[], { onStep, ...options }: TuneOptions = {}): Promise<Adapter> {
    const { bank, base, source } = this;
    if (!base) throw new HypertuneError('ADAPTER_MISMATCH', 'the adapter does not belong to a model.', { field: 'adapter', remedy: 'Tune adapters that HyperT5 gave.' });
    const slot = this.acquire(bank);
    try {
      const tuning = await Tuning.start(base, bank, slot, examples, options);
      try {
        const { baseModelName, alphas } = source;
        const snapshot = async () => new Adapter(bank, await tuning.store(), { origin: 'tuned', baseModelName, alphas, tuning: tuning.report }, base);
        for await (const step of tuning.steps()) await onStep?.({ ...step, snapshot });
        return await snapshot();
      } finally {
        tuning.dispose();
      }
    } finally {
      this.release();
    }
  }

  /** @internal Its values as plain data. Throws CONFIG_UNSUPPORTED for a prefix with learned logit bias. */
  async toFile(): Promise<AdapterFile> {
    const slot = this.acquire(this.bank);
    try {
      const parts: AdapterPart[] = [];
      if (slot.layout.lowRank.size) parts.push(await this.lora(slot));
      if (slot.layout.prefix.length) parts.push(await this.prefix(slot));
      if (slot.layout.promptLength) {
        parts.push({ kind: 'prompt', length: slot.layout.promptLength, width: this.bank.config.dModel, embeddings: await this.bank.readPrompt(slot), config: {} });
      }
      return parts.length === 1 ? parts[0] : { kind: 'combined', parts, config: {} };
    } finally {
      this.release();
    }
  }

  /** Writes a Hugging Face PEFT folder where that format can hold the adapter, else our own; returns which. An old folder survives a failed save. */
  async save(dir: string): Promise<'peft' | 'hypertune'> {
    return writeAdapterFolder(dir, await this.toFile(), { base: this.bank.config, baseModelName: this.source.baseModelName });
  }

  /** Idempotent; its room is given back once calls in flight have ended. */
  dispose(): void {
    if (this.closed) return;
    this.closed = true;
    dropped.unregister(this);
    if (this.uses === 0) this.bank.free(this.place);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  private async lora(slot: Slot): Promise<LoraFile> {
    const linears = t5Linears(this.bank.config);
    const modules: LoraModule[] = [];
    for (const [path, { rank, outFeatures, scale }] of slot.layout.lowRank) {
      const [a, rows] = await this.bank.read(slot, 'lowRank', path);
      modules.push({ ...linears.get(path)!, rank, a, b: transpose(rows, rank, outFeatures), scale, alpha: this.source.alphas?.get(path) ?? scale * rank });
    }
    return { kind: 'lora', modules, config: {} };
  }

  private async prefix(slot: Slot): Promise<PrefixFile> {
    if (slot.layout.logitBias) throw new HypertuneError('CONFIG_UNSUPPORTED', 'a prefix with learned logit bias has no file format yet.', { field: 'prefix_logit_bias', remedy: 'Generate it again from its examples.' });
    const sites: PrefixSite[] = [];
    for (const name of slot.layout.prefix) {
      const [stack, , block, site] = name.split('.');
      const [k, v] = await this.bank.read(slot, 'prefix', name);
      sites.push({ stack: stack as Stack, block: Number(block), site: site as 'self' | 'cross', k, v });
    }
    return { kind: 'prefix', length: slot.layout.prefixLength, biasPolicy: slot.layout.policy, sites, config: {} };
  }
}

/** Puts an adapter's values into the bank. Throws ADAPTER_MISMATCH, TENSOR_SHAPE or TENSOR_NON_FINITE where it does not fit the base. */
export async function addToBank(bank: AdapterBank, file: AdapterFile, source: AdapterSource, base?: TuningBase): Promise<Adapter> {
  checkAdapter(file, bank.config);
  const parts = file.kind === 'combined' ? file.parts : [file];
  const lora = parts.find((p) => p.kind === 'lora');
  const prefix = parts.find((p) => p.kind === 'prefix');
  const prompt = parts.find((p) => p.kind === 'prompt');
  const layout: AdapterLayout = {
    lowRank: new Map(lora?.modules.map(({ path, rank, inFeatures, outFeatures, scale }) => [path, { rank, inFeatures, outFeatures, scale }])),
    prefix: prefix?.sites.map(({ stack, block, site }) => `${stack}.block.${block}.${site}`) ?? [],
    prefixLength: prefix?.length ?? 0,
    policy: prefix?.biasPolicy ?? 'zero',
    logitBias: false,
    promptLength: prompt?.length ?? 0,
  };
  const slot = await bank.reserve(layout);
  try {
    for (const { path, a, b, rank, outFeatures } of lora?.modules ?? []) await bank.write(slot, 'lowRank', path, a, transpose(b, outFeatures, rank));
    for (const { stack, block, site, k, v } of prefix?.sites ?? []) await bank.write(slot, 'prefix', `${stack}.block.${block}.${site}`, k, v);
    if (prompt) await bank.writePrompt(slot, prompt.embeddings);
  } catch (error) {
    bank.free(slot);
    throw error;
  }
  return new Adapter(bank, slot, { ...source, alphas: new Map(lora?.modules.map(({ path, alpha }) => [path, alpha])) }, base);
}

function kindOf({ lowRank, prefix, promptLength }: AdapterLayout): AdapterKind {
  const kinds = [lowRank.size > 0 && 'lora', prefix.length > 0 && 'prefix', promptLength > 0 && 'prompt'].filter((k): k is 'lora' | 'prefix' | 'prompt' => Boolean(k));
  return kinds.length === 1 ? kinds[0] : 'combined';
}

/** [rows, columns] -> [columns, rows]. */
function transpose(x: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = x[r * columns + c];
  return out;
}
