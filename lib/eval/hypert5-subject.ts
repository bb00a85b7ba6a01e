/** A HyperT5 as the subject of an evaluation. */
import type { Adapter } from '../adapters/adapter.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import type { CallOptions, Subject, SubjectRow } from './subject.ts';
import type { Evidence } from './trial.ts';

export class HyperT5Subject implements Subject<Adapter> {
  readonly kinds: readonly HyperKind[];
  private readonly model: HyperT5;

  /** The model stays the caller's. */
  constructor(model: HyperT5) {
    this.model = model;
    const { kinds } = model;
    const separate = kinds.includes('lora') && kinds.includes('prefix') && !kinds.includes('both');
    this.kinds = separate ? [...kinds, 'both'] : kinds;
  }

  /** `both` of two separate hypermodels is the composition of what each of them writes. */
  async adapt(evidence: readonly Evidence[], kind: HyperKind, options: CallOptions): Promise<Adapter[]> {
    if (!this.kinds.includes(kind)) throw new HypertuneError('CONFIG_UNSUPPORTED', `the model holds no hypermodel of kind ${kind}.`, { field: 'kinds', remedy: `It has: ${this.kinds.join(', ') || 'none'}.` });
    if (kind !== 'both' || this.model.kinds.includes('both')) return this.adaptByDefinition(evidence, kind, options);
    const parts: Adapter[][] = [];
    try {
      for (const part of ['lora', 'prefix'] as const) parts.push(await this.adaptByDefinition(evidence, part, options));
      const both: Adapter[] = [];
      for (const i of evidence.keys()) both.push(await this.model.combine(parts.map((adapters) => adapters[i])));
      return both;
    } finally {
      for (const adapter of parts.flat()) adapter.dispose();
    }
  }

  load(folder: string): Promise<Adapter> {
    return this.model.loadAdapter(folder);
  }

  mean(adapters: readonly Adapter[]): Promise<Adapter> {
    return this.model.average(adapters);
  }

  release(adapter: Adapter): void {
    adapter.dispose();
  }

  generate(rows: readonly SubjectRow<Adapter>[], { maxNewTokens, signal }: CallOptions & { maxNewTokens?: number }): Promise<string[]> {
    return this.model.generate(rows.map(({ input }) => input), { ...rowsOf(rows), ...(maxNewTokens !== undefined && { maxNewTokens }), signal });
  }

  async score(rows: readonly SubjectRow<Adapter>[], candidates: readonly (readonly string[])[], { signal }: CallOptions): Promise<number[][]> {
    const scores = await this.model.score(rows.map(({ input }) => input), candidates, { ...rowsOf(rows), signal });
    return scores.map(({ logLikelihoods }) => logLikelihoods);
  }

  tokens(answer: string): number {
    return this.model.tokenizer.encode(answer).length;
  }

  /** One forward pass for all evidence of one definition. */
  private async adaptByDefinition(evidence: readonly Evidence[], kind: HyperKind, { signal }: CallOptions): Promise<Adapter[]> {
    const adapters = new Map<Evidence, Adapter>();
    try {
      for (const definition of new Set(evidence.map((one) => one.definition))) {
        const own = evidence.filter((one) => one.definition === definition);
        const made = await this.model.adaptAll(own.map(({ examples }) => examples), { kind, definition, signal });
        own.forEach((one, i) => adapters.set(one, made[i]));
      }
    } catch (error) {
      for (const adapter of adapters.values()) adapter.dispose();
      throw error;
    }
    return evidence.map((one) => adapters.get(one)!);
  }
}

function rowsOf(rows: readonly SubjectRow<Adapter>[]) {
  return { adapters: rows.map(({ state }) => state), contexts: rows.map(({ context }) => context) };
}
