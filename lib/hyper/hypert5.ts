/** The public face: a frozen T5, the hypermodels that adapt it, and the adapters they write. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { Adapter, addToBank } from '../adapters/adapter.ts';
import type { AdaptReport } from '../adapters/adapter.ts';
import { AdapterBank, slotId } from '../adapters/bank.ts';
import type { BankOptions, PrefixPolicy, Slot } from '../adapters/bank.ts';
import { average } from '../adapters/average.ts';
import { compose } from '../adapters/compose.ts';
import { mergeLora } from '../adapters/merge.ts';
import { checkExamples } from '../data/check-examples.ts';
import { hyperInput, queryInput } from '../data/hyper-input.ts';
import { inContextInput } from '../data/in-context.ts';
import type { InContext } from '../data/in-context.ts';
import type { Example } from '../data/task.ts';
import { Engine } from '../engine/engine.ts';
import type { DeviceInfo, DeviceName } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { loadT5 } from '../files/load-t5.ts';
import type { LoadedT5 } from '../files/load-t5.ts';
import { readAdapterFolder } from '../files/peft.ts';
import { T5Decoder } from '../t5/decoding/index.ts';
import type { GenerateOptions } from '../t5/decoding/index.ts';
import type { T5Config } from '../t5/config.ts';
import type { WeightType } from '../t5/parameters.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { TuningBase } from '../train/tune.ts';
import { freshLayout, freshSlot } from '../train/tune-start.ts';
import type { FreshOptions } from '../train/tune-start.ts';
import { Generator } from './adapt.ts';
import type { HyperConfig, HyperKind } from './config.ts';
import { partsOf } from './config.ts';
import { loadHypermodel } from './files.ts';
import type { Hypermodel } from './hypermodel.ts';

export interface LoadOptions {
  /** `auto` (default) takes the best device there is. */
  device?: DeviceName;
  /**
   * Type of matrices in memory. Default: of the T5's bf16 where the checkpoint has 16-bit floats, else f32; of the hypermodels' f32. `int8`
   * is for the T5 alone: CPU only, no tuning, no merging.
   */
  dtype?: WeightType;
  memoryLimit?: number;
  bank?: BankOptions;
  /** Called while tensors are read. */
  onProgress?: (done: number, total: number) => void;
}

export interface AdaptOptions {
  /** Default: the first of `both`, `prefix`, `lora` that the folder's hypermodels write. */
  kind?: HyperKind;
  /** A description of the task, read before the examples. */
  definition?: string;
  signal?: AbortSignal;
}

/** A method and its sizes, or those of another adapter of the model; `seed` of the starting values, default 0. */
export type NewAdapterOptions = (FreshOptions | { like: Adapter }) & { seed?: number };

export interface RowAdapters {
  /** The adapter of every row. */
  adapter?: Adapter;
  /** One adapter for each row; null or undefined: the frozen T5 alone. */
  adapters?: readonly (Adapter | null | undefined)[];
  /** Examples for each row's own input, in front of the query (in-context learning); null or undefined: none. They have the hypermodel's window. */
  contexts?: readonly (InContext | null | undefined)[];
  signal?: AbortSignal;
}

export type TextGenerateOptions = GenerateOptions & RowAdapters;

export interface TextResult {
  text: string;
  /** Token ids, the end token included. */
  ids: Int32Array;
  /** Sum of log-probabilities; of beams the length-penalised score. */
  score: number;
  /** Whether the query was longer than the window and lost its beginning. */
  truncated: boolean;
}

export interface ScoreResult {
  /** Sum of token log-probabilities of each candidate, end token included. */
  logLikelihoods: number[];
  /** Position of the largest. */
  best: number;
}

export interface EncodeResult {
  /** f32 [tokens, width]. */
  states: Float32Array;
  ids: Int32Array;
  width: number;
}

export interface ModelInfo extends DeviceInfo {
  folder: string;
  config: T5Config;
  parameters: number;
  kinds: { kind: HyperKind; parameters: number }[];
  adapters: number;
  bytes: number;
}

const KINDS: readonly HyperKind[] = ['both', 'prefix', 'lora'];

/** Of a T5 folder without hypermodels: texts as T5's own pipelines give them. */
const PLAIN_WINDOW = { hyperTokens: 65_536, queryTokens: 65_536, answerTokens: 128, queryEos: true };

export class HyperT5 {
  readonly config: T5Config;
  readonly tokenizer: Tokenizer;
  private readonly folder: string;
  private readonly engine: Engine;
  private readonly t5: LoadedT5;
  private readonly bank: AdapterBank;
  private readonly hypermodels: ReadonlyMap<HyperKind, Hypermodel>;
  private readonly generators = new Map<HyperKind, Generator>();
  private readonly decoders = new Map<PrefixPolicy, T5Decoder>();
  private closing: Promise<void> | undefined;

  private constructor(folder: string, engine: Engine, t5: LoadedT5, tokenizer: Tokenizer, hypermodels: ReadonlyMap<HyperKind, Hypermodel>, bank: BankOptions) {
    this.folder = folder;
    this.engine = engine;
    this.t5 = t5;
    this.config = t5.config;
    this.tokenizer = tokenizer;
    this.hypermodels = hypermodels;
    this.bank = new AdapterBank(engine, t5.config, bank);
  }

  /**
   * Loads a folder: a T5 as Hugging Face writes it (config.json, model.safetensors, tokenizer.json or spiece.model) and, in
   * `hyper-both`, `hyper-prefix` and `hyper-lora`, the hypermodels there are. Throws CUDA_*, CUBLAS_*, DEVICE_UNAVAILABLE, FILE_*, CONFIG_*, TENSOR_* or TOKENIZER_MISMATCH.
   */
  static async load(folder: string, options: LoadOptions = {}): Promise<HyperT5> {
    const engine = Engine.open({ device: options.device, memoryLimit: options.memoryLimit });
    try {
      const tokenizer = await Tokenizer.fromFolder(folder);
      const t5 = await loadT5(engine, folder, { dtype: options.dtype, onProgress: options.onProgress });
      if (tokenizer.vocabSize > t5.config.vocabSize) {
        throw new HypertuneError('TOKENIZER_MISMATCH', `the tokenizer has ${tokenizer.vocabSize} pieces, the embedding ${t5.config.vocabSize} rows.`, {
          field: 'tokenizer', remedy: 'Take the tokenizer that belongs to the checkpoint, or resize the embedding.',
        });
      }
      const hypermodels = new Map<HyperKind, Hypermodel>();
      for (const kind of KINDS) {
        const dir = path.join(folder, `hyper-${kind}`);
        if (await isFolder(dir)) hypermodels.set(kind, await loadHypermodel(engine, dir, t5.config, { dtype: options.dtype === 'bf16' ? 'bf16' : 'f32' }));
      }
      return new HyperT5(folder, engine, t5, tokenizer, hypermodels, options.bank ?? {});
    } catch (error) {
      await engine.dispose();
      throw error;
    }
  }

  /** Kinds of adapters the folder's hypermodels write. */
  get kinds(): HyperKind[] {
    return KINDS.filter((kind) => this.hypermodels.has(kind) || (kind !== 'both' && this.hypermodels.has('both')));
  }

  get disposed(): boolean {
    return this.closing !== undefined;
  }

  info(): ModelInfo {
    this.open();
    return {
      ...this.engine.info(), folder: this.folder, config: this.config, parameters: this.t5.parameters.count(),
      kinds: [...this.hypermodels].map(([kind, { parameters }]) => ({ kind, parameters: parameters.count() })),
      adapters: this.bank.size, bytes: this.engine.usage(),
    };
  }

  /**
   * Reads the examples once and writes an adapter: no gradient step. Examples beyond the window are left out whole, and counted
   * in `adapter.source.report`. Throws EXAMPLES_EMPTY, CONFIG_UNSUPPORTED (no hypermodel of that kind), ABORTED.
   */
  async adapt(examples: readonly Example[], options: AdaptOptions = {}): Promise<Adapter> {
    return (await this.adaptAll([examples], options))[0];
  }

  /** One adapter for each set of examples, in one forward pass. */
  async adaptAll(sets: readonly (readonly Example[])[], options: AdaptOptions = {}): Promise<Adapter[]> {
    this.open();
    const started = performance.now();
    const kind = this.kind(options.kind);
    const hyper = this.hypermodels.get(kind) ?? this.hypermodels.get('both')!;
    const { hyperTokens, definitionMarker } = hyper.config;
    if (sets.length === 0) throw new HypertuneError('EXAMPLES_EMPTY', 'no set of examples was given.', { field: 'sets' });
    const inputs = sets.map((examples, i) => {
      // A definition can stand alone as evidence.
      if (!options.definition || examples?.length !== 0) checkExamples(examples, sets.length === 1 ? 'examples' : `sets[${i}]`);
      return hyperInput(this.tokenizer, examples, { maxTokens: hyperTokens, definition: options.definition, definitionMarker });
    });
    let generator = this.generators.get(kind);
    if (!generator) this.generators.set(kind, (generator = new Generator(hyper, partsOf(kind), this.bank)));
    const slots = await generator.adapt(inputs.map(({ ids }) => ids), options.signal);
    const milliseconds = performance.now() - started;
    return slots.map((slot, i) => {
      const { used, dropped, truncated, ids } = inputs[i];
      const report: AdaptReport = { used, dropped, truncated, tokens: ids.length, milliseconds };
      return new Adapter(this.bank, slot, { origin: 'generated', baseModelName: path.basename(this.folder), report }, this.tuningBase);
    });
  }

  /** Reads a PEFT folder (LoRA, prompt or prefix tuning) or one of our own. Throws ADAPTER_MISMATCH where it is of another base. */
  async loadAdapter(dir: string): Promise<Adapter> {
    this.open();
    const file = await readAdapterFolder(dir, this.config);
    return addToBank(this.bank, file, { origin: 'loaded', baseModelName: path.basename(this.folder) }, this.tuningBase);
  }

  /**
   * An adapter to tune from scratch. LoRA starts with the effect of none; prefixes and prompts start at random. Throws
   * ARGUMENT_INVALID and ARGUMENT_RANGE for sizes, linears and sites that do not fit.
   */
  async newAdapter({ seed = 0, ...options }: NewAdapterOptions): Promise<Adapter> {
    this.open();
    const layout = 'like' in options ? options.like.layout : freshLayout(this.config, options);
    return new Adapter(this.bank, await freshSlot(this.bank, layout, seed), { origin: 'fresh', baseModelName: path.basename(this.folder) }, this.tuningBase);
  }

  /** One adapter with the effect of all: low-rank terms add up, prefixes and prompts stand one behind the other. */
  async combine(adapters: readonly Adapter[]): Promise<Adapter> {
    this.open();
    return addToBank(this.bank, compose(await Promise.all(adapters.map((a) => a.toFile()))), { origin: 'combined', baseModelName: path.basename(this.folder) }, this.tuningBase);
  }

  /** The mean of adapters of one shape, value by value. */
  async average(adapters: readonly Adapter[]): Promise<Adapter> {
    this.open();
    return addToBank(this.bank, average(await Promise.all(adapters.map((a) => a.toFile()))), { origin: 'combined', baseModelName: path.basename(this.folder) }, this.tuningBase);
  }

  /** The answer to each query. Rows may have adapters of their own. */
  async generate(queries: readonly string[], options: TextGenerateOptions = {}): Promise<string[]> {
    return (await this.generateDetailed(queries, options)).map(({ text }) => text);
  }

  /** As `generate`, with ids and scores; numReturnSequences results per query, one after the other. */
  async generateDetailed(queries: readonly string[], { adapter, adapters, contexts, signal, ...options }: TextGenerateOptions = {}): Promise<TextResult[]> {
    const inputs = this.queries(queries, contexts);
    return this.withSlots(queries.length, { adapter, adapters }, async (slots) => {
      const perQuery = options.numReturnSequences ?? this.t5.generation.numReturnSequences ?? 1;
      const out = new Array<TextResult>(queries.length * perQuery);
      for (const { policy, rows } of byPolicy(slots)) {
        const decoder = this.decoder(policy);
        const seeds = Array.isArray(options.seed) ? { seed: rows.map((r) => (options.seed as number[])[r]) } : {};
        const { sequences, scores } = await decoder.generate(rows.map((r) => this.withPrompt(inputs[r].ids, slots[r])), {
          ...this.limits(options), ...options, ...seeds, slots: Int32Array.from(rows, (r) => slotId(slots[r])), signal,
        });
        rows.forEach((r, i) => {
          for (let k = 0; k < perQuery; k++) {
            const ids = sequences[i * perQuery + k];
            out[r * perQuery + k] = { text: this.tokenizer.decode(ids.filter((id) => this.hasPiece(id))), ids, score: scores[i * perQuery + k], truncated: inputs[r].truncated };
          }
        });
      }
      return out;
    });
  }

  /** The answer piece by piece, as its tokens come. Leaving the loop ends the generation. */
  async *stream(query: string, { adapter, adapters, contexts, signal, ...options }: TextGenerateOptions = {}): AsyncGenerator<string, void, void> {
    const [input] = this.queries([query], contexts);
    const ended = new AbortController();
    const abort = () => ended.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const pieces: string[] = [];
    let wake = () => {};
    let done = false;
    const text = this.tokenizer.decodeStream();
    const run = this.withSlots(1, { adapter, adapters }, async ([slot]) => {
      await this.decoder(slot?.layout.policy ?? 'zero').generate([this.withPrompt(input.ids, slot)], {
        ...this.limits(options), ...options, slots: Int32Array.of(slotId(slot)), signal: ended.signal,
        onStep: ([token]) => {
          if (this.hasPiece(token)) pieces.push(text.push(token));
          wake();
        },
      });
      pieces.push(text.end());
    }).finally(() => {
      done = true;
      wake();
    });
    run.catch(() => undefined);
    try {
      while (!done || pieces.length) {
        const piece = pieces.shift();
        if (piece) yield piece;
        else if (piece === undefined && !done) await new Promise<void>((resolve) => (wake = resolve));
      }
      await run;
    } finally {
      signal?.removeEventListener('abort', abort);
      ended.abort();
      await run.catch(() => undefined);
    }
  }

  /** Log-likelihood of each candidate answer to each query. */
  async score(queries: readonly string[], candidates: readonly (readonly string[])[], { signal, ...rows }: RowAdapters = {}): Promise<ScoreResult[]> {
    if (candidates.length !== queries.length) {
      throw new HypertuneError('ARGUMENT_INVALID', `${candidates.length} lists of candidates for ${queries.length} queries.`, { field: 'candidates', remedy: 'Give one list for each query.' });
    }
    candidates.forEach((list, i) => {
      if (list.length === 0) throw new HypertuneError('ARGUMENT_INVALID', `there is no candidate for query ${i}.`, { field: `candidates[${i}]` });
    });
    const inputs = this.queries(queries, rows.contexts);
    const answers = candidates.map((list) => list.map((text) => this.tokenizer.encode(text)));
    return this.withSlots(queries.length, rows, async (slots) => {
      const out = new Array<ScoreResult>(queries.length);
      for (const { policy, rows: group } of byPolicy(slots)) {
        const { logLikelihood } = await this.decoder(policy).score(group.map((r) => this.withPrompt(inputs[r].ids, slots[r])), group.map((r) => answers[r]), {
          slots: Int32Array.from(group, (r) => slotId(slots[r])), signal,
        });
        group.forEach((r, i) => {
          const logLikelihoods = logLikelihood[i];
          out[r] = { logLikelihoods, best: logLikelihoods.indexOf(Math.max(...logLikelihoods)) };
        });
      }
      return out;
    });
  }

  /** Encoder states of each text; a soft prompt's rows come first. */
  async encode(texts: readonly string[], { signal, ...rows }: RowAdapters = {}): Promise<EncodeResult[]> {
    const inputs = this.queries(texts, rows.contexts);
    return this.withSlots(texts.length, rows, async (slots) => {
      const out = new Array<EncodeResult>(texts.length);
      for (const { policy, rows: group } of byPolicy(slots)) {
        const ids = group.map((r) => this.withPrompt(inputs[r].ids, slots[r]));
        const { values, offsets, width } = await this.decoder(policy).encode(ids, { slots: Int32Array.from(group, (r) => slotId(slots[r])), signal });
        group.forEach((r, i) => (out[r] = { states: values.slice(offsets[i] * width, offsets[i + 1] * width), ids: ids[i], width }));
      }
      return out;
    });
  }

  /** Writes a T5 folder whose weights have a LoRA adapter added in fp32 (W + scale B A), tokenizer included. */
  async merge(adapter: Adapter, dir: string): Promise<void> {
    this.open();
    await mergeLora(this.t5, await adapter.toFile(), dir);
    await this.tokenizer.save(path.join(dir, 'tokenizer.json'));
  }

  /** Waits for calls in flight, then frees everything. Idempotent; adapters of the model close with it. */
  dispose(): Promise<void> {
    this.closing ??= this.close();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async close(): Promise<void> {
    for (const decoder of this.decoders.values()) await decoder.dispose();
    for (const generator of this.generators.values()) generator.dispose();
    await this.engine.dispose();
  }

  private open(): void {
    if (this.disposed) throw new HypertuneError('HANDLE_CLOSED', 'the model has been disposed.', { field: 'model', remedy: 'Load it again.' });
  }

  /** The kind that is meant, of those there are. */
  private kind(wanted: HyperKind | undefined): HyperKind {
    const { kinds } = this;
    const kind = wanted ?? kinds[0];
    if (kind !== undefined && kinds.includes(kind)) return kind;
    if (kind !== undefined && !KINDS.includes(kind)) throw new HypertuneError('ARGUMENT_INVALID', `'${String(kind)}' is no kind of adapter.`, { field: 'kind', remedy: `Use ${KINDS.join(' or ')}.` });
    throw new HypertuneError('CONFIG_UNSUPPORTED', `${this.folder} holds no hypermodel${kind ? ` of kind ${kind}` : ''}.`, {
      field: 'kind', remedy: kinds.length ? `It has: ${kinds.join(', ')}.` : 'Load a folder with hyper-both, hyper-prefix or hyper-lora, such as weights/tiny.',
    });
  }

  private get tuningBase(): TuningBase {
    return { parameters: this.t5.parameters, encoder: this.tokenizer, window: this.window };
  }

  private decoder(policy: PrefixPolicy): T5Decoder {
    let decoder = this.decoders.get(policy);
    if (!decoder) {
      decoder = new T5Decoder(this.engine, this.config, this.t5.parameters, this.bank.adaptation(policy), this.t5.generation);
      this.decoders.set(policy, decoder);
    }
    return decoder;
  }

  /** Length limits of the hypermodel's recipe, where neither the caller nor generation_config.json sets one. */
  private limits(options: GenerateOptions): GenerateOptions {
    const { maxLength, maxNewTokens } = this.t5.generation;
    const set = [options.maxLength, options.maxNewTokens, maxLength, maxNewTokens].some((x) => x !== undefined);
    return set ? {} : { maxNewTokens: this.window.answerTokens };
  }

  private get window(): Pick<HyperConfig, 'hyperTokens' | 'queryTokens' | 'answerTokens' | 'queryEos'> {
    return [...this.hypermodels.values()][0]?.config ?? PLAIN_WINDOW;
  }

  private queries(texts: readonly string[], contexts?: RowAdapters['contexts']): { ids: Int32Array; truncated: boolean }[] {
    this.open();
    if (!Array.isArray(texts) || texts.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'a list of at least one text is expected.', { field: 'queries', remedy: "Call generate(['...'])." });
    if (contexts && contexts.length !== texts.length) {
      throw new HypertuneError('ARGUMENT_INVALID', `${contexts.length} contexts for ${texts.length} rows.`, { field: 'contexts', remedy: 'Give one for each row, null for none.' });
    }
    const { hyperTokens, queryTokens, queryEos } = this.window;
    return texts.map((text, i) => {
      if (typeof text !== 'string') throw new HypertuneError('ARGUMENT_INVALID', `${typeof text} is not a string.`, { field: `queries[${i}]` });
      const query = queryInput(this.tokenizer, text, { maxTokens: queryTokens, eos: queryEos });
      const context = contexts?.[i];
      return context ? { ...query, ids: inContextInput(this.tokenizer, context, query.ids, hyperTokens + queryTokens) } : query;
    });
  }

  /** Embeddings are often padded beyond the vocabulary; such an id has no text. */
  private hasPiece(id: number): boolean {
    return id < this.tokenizer.vocabSize;
  }

  private withPrompt(ids: Int32Array, slot: Slot | undefined): Int32Array {
    return slot?.layout.promptLength ? Int32Array.from([...this.bank.promptIds(slot), ...ids]) : ids;
  }

  /** Holds the rows' adapters while `run` uses their slots. */
  private async withSlots<T>(rows: number, { adapter, adapters }: RowAdapters, run: (slots: (Slot | undefined)[]) => Promise<T>): Promise<T> {
    this.open();
    if (adapter && adapters) throw new HypertuneError('ARGUMENT_INVALID', 'adapter and adapters exclude each other.', { field: 'adapters' });
    if (adapters && adapters.length !== rows) {
      throw new HypertuneError('ARGUMENT_INVALID', `${adapters.length} adapters for ${rows} rows.`, { field: 'adapters', remedy: 'Give one for each row, null for none.' });
    }
    const list = adapters ?? new Array<Adapter | undefined>(rows).fill(adapter);
    const held: Adapter[] = [];
    try {
      const slots = list.map((a, i) => {
        if (!a) return undefined;
        if (!(a instanceof Adapter)) throw new HypertuneError('HANDLE_KIND', 'an Adapter of this model is expected.', { field: adapters ? `adapters[${i}]` : 'adapter' });
        const slot = a.acquire(this.bank);
        held.push(a);
        return slot;
      });
      return await run(slots);
    } finally {
      for (const a of held) a.release();
    }
  }
}

/** Rows that can run as one batch: the position policy of prefixes belongs to the program. */
function byPolicy(slots: readonly (Slot | undefined)[]): { policy: PrefixPolicy; rows: number[] }[] {
  const groups = new Map<PrefixPolicy, number[]>();
  const special = slots.some((s) => s?.layout.prefix.length && s.layout.policy === 'preceding');
  const free: PrefixPolicy = special && !slots.some((s) => s?.layout.prefix.length && s.layout.policy === 'zero') ? 'preceding' : 'zero';
  slots.forEach((slot, row) => {
    const policy = slot?.layout.prefix.length ? slot.layout.policy : free;
    groups.set(policy, [...(groups.get(policy) ?? []), row]);
  });
  return [...groups].map(([policy, rows]) => ({ policy, rows }));
}

async function isFolder(dir: string): Promise<boolean> {
  try {
    return (await stat(dir)).isDirectory();
  } catch {
    return false;
  }
}
