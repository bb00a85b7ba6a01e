/** Few-shot examples -> adapters in the bank, in one forward pass of the hypermodel; nothing leaves the device. */
import type { AdapterBank, AdapterLayout, Slot } from '../adapters/bank.ts';
import { pack } from '../data/packing.ts';
import { Graph, compile, writeRows } from '../graph/index.ts';
import type { Program, Value } from '../graph/index.ts';
import { innerWidth } from '../t5/config.ts';
import { layerIndex } from '../t5/tensor-names.ts';
import type { HyperPart } from './config.ts';
import { siteGroups } from './config.ts';
import { LORA_TARGETS, generate, hyperFeeds, hyperInputs } from './hypermodel.ts';
import type { Hypermodel } from './hypermodel.ts';

const KEPT_PROGRAMS = 4;

/** Sizes of the parts that a hypermodel is asked for. */
export function generatedLayout({ config, base }: Hypermodel, parts: readonly HyperPart[]): AdapterLayout {
  const lowRank = new Map<string, { rank: number; inFeatures: number; outFeatures: number; scale: number }>();
  const prefix: string[] = [];
  for (const { part, stack, site, blocks } of siteGroups(config, base)) {
    if (!parts.includes(part)) continue;
    const module = site === 'self' ? 'SelfAttention' : 'EncDecAttention';
    for (let l = 0; l < blocks; l++) {
      if (part === 'prefix') prefix.push(`${stack}.block.${l}.${site}`);
      else {
        for (const target of LORA_TARGETS) {
          lowRank.set(`${stack}.block.${l}.layer.${layerIndex(stack, site)}.${module}.${target}`, { rank: config.rank, inFeatures: base.dModel, outFeatures: innerWidth(base), scale: config.alpha / config.rank });
        }
      }
    }
  }
  return { lowRank, prefix, prefixLength: prefix.length ? config.prefixLength : 0, policy: 'zero', logitBias: prefix.length > 0 && config.prefixLogitBias, promptLength: 0 };
}

/** Runs one hypermodel, for some of its parts, into one bank. */
export class Generator {
  private readonly hyper: Hypermodel;
  private readonly parts: readonly HyperPart[];
  private readonly bank: AdapterBank;
  private readonly programs = new Map<string, Program<never>>();

  constructor(hyper: Hypermodel, parts: readonly HyperPart[], bank: AdapterBank) {
    this.hyper = hyper;
    this.parts = parts;
    this.bank = bank;
  }

  /** One slot per evidence set; tokens are packed as hypert5 inputs (lib/data/hyper-input.ts). */
  async adapt(inputs: readonly Int32Array[], signal?: AbortSignal): Promise<Slot[]> {
    const layout = generatedLayout(this.hyper, this.parts);
    const slots: Slot[] = [];
    try {
      for (let i = 0; i < inputs.length; i++) slots.push(await this.bank.reserve(layout));
      const packed = pack(inputs);
      const { config, base } = this.hyper;
      const feeds = hyperFeeds(config, base, packed, this.parts);
      for (const kind of ['lowRank', 'prefix'] as const) {
        for (const name of kind === 'lowRank' ? layout.lowRank.keys() : layout.prefix) {
          feeds[`rows.${name}`] = Int32Array.from(slots.flatMap((slot) => [...this.bank.rowIndex(slot, kind, name)]));
        }
      }
      const program = this.program(capacity(inputs.length), capacity(packed.ids.length));
      await program.run({ symbols: { sets: inputs.length, hyperTokens: packed.ids.length }, feeds, signal });
      if (layout.logitBias) await this.copyLogitBias(slots);
      return slots;
    } catch (error) {
      for (const slot of slots) this.bank.free(slot);
      throw error;
    }
  }

  dispose(): void {
    for (const program of this.programs.values()) program.dispose();
    this.programs.clear();
  }

  private program(sets: number, tokens: number): Program<never> {
    const key = `${this.bank.key}/${sets}/${tokens}`;
    let program = this.programs.get(key);
    if (!program) {
      program = this.build(sets, tokens);
      this.programs.set(key, program);
      if (this.programs.size > KEPT_PROGRAMS) {
        const [oldest, old] = this.programs.entries().next().value!;
        this.programs.delete(oldest);
        old.dispose();
      }
    }
    return program;
  }

  private build(sets: number, tokens: number): Program<never> {
    const g = new Graph();
    const inputs = hyperInputs(g, { sets, tokens });
    const { lowRank, prefix } = generate(g, this.hyper, inputs, { parts: this.parts });
    const { rank, prefixLength } = this.hyper.config;
    const put = (kind: 'lowRank' | 'prefix', name: string, rows: number, first: Value, second: Value) => {
      const index = g.feed(`rows.${name}`, 'i32', [inputs.sets.times(rows)]);
      const [a, b] = this.bank.buffers(kind, name);
      writeRows(g, { buffer: g.buffer(a.buffer, a.shape), index, x: first });
      writeRows(g, { buffer: g.buffer(b.buffer, b.shape), index, x: second });
    };
    for (const [path, { a, b }] of lowRank) put('lowRank', path, rank, a, b);
    for (const [site, { k, v }] of prefix) put('prefix', site, prefixLength, k, v);
    return compile(this.bank.engine, g, { fetches: {} });
  }

  private async copyLogitBias(slots: readonly Slot[]): Promise<void> {
    const { config, base, parameters } = this.hyper;
    for (const group of siteGroups(config, base)) {
      if (group.part !== 'prefix') continue;
      for (let l = 0; l < group.blocks; l++) {
        const bias = Float32Array.from(await this.bank.engine.read(parameters.get(`heads.${group.name}.${l}.logit_bias`).buffer));
        for (const slot of slots) await this.bank.writePrefixBias(slot, `${group.stack}.block.${l}.${group.site}`, bias);
      }
    }
  }
}

/** Next power of two: programs are planned for it, so that few of them serve all sizes. */
function capacity(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(size, 1)));
}
