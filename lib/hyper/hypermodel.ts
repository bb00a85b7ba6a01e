/**
 * The hypermodel's graph: few-shot tokens -> states of the frozen T5 (HyperTuning, Phang et al., ICML 2023).
 *
 * An encoder reads the examples; a decoder without causal mask turns a table of learned queries into vectors; heads
 * (linear, tanh, linear) turn these into LoRA factors or key/value prefixes for every block at once.
 */
import { fill, gatherRows, hyperHeads, reshape, rmsNorm, splitRows } from '../graph/index.ts';
import type { Dim, FloatType, Graph, LowRank, Value } from '../graph/index.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { Parameters, matrixType } from '../t5/parameters.ts';
import type { Engine } from '../engine/engine.ts';
import { T5Stack } from '../t5/stack.ts';
import type { StackOptions } from '../t5/stack.ts';
import type { KVPrefix, States } from '../t5/states.ts';
import { expectedTensors, layerIndex } from '../t5/tensor-names.ts';
import type { HyperConfig, HyperPart, SiteGroup } from './config.ts';
import { firstQuery, groupQueries, partsOf, queryCount, siteGroups } from './config.ts';

/** LoRA targets at every site; q and v, as in the LoRA paper. */
export const LORA_TARGETS = ['q', 'v'] as const;

export interface Hypermodel {
  config: HyperConfig;
  /** Of the frozen T5, and of the trunk. */
  base: T5Config;
  /** The trunk under its T5 names, `queries`, and `heads.<group>.<head>`. */
  parameters: Parameters;
}

/** Shapes of everything beside the trunk, by name. */
export function headShapes(config: HyperConfig, base: T5Config): Map<string, readonly number[]> {
  const [d, inner] = [base.dModel, innerWidth(base)];
  const shapes = new Map<string, readonly number[]>([['queries', [queryCount(config, base), d]]]);
  const head = (name: string, outs: Readonly<Record<string, number>>) => {
    if (config.headNorm) shapes.set(`${name}.norm`, [d]);
    shapes.set(`${name}.w1`, [d, d]).set(`${name}.b1`, [d]);
    for (const [out, width] of Object.entries(outs)) shapes.set(`${name}.${out}.w2`, [width, d]).set(`${name}.${out}.b2`, [width]);
  };
  for (const group of siteGroups(config, base)) {
    if (group.part === 'lora') {
      const rows = config.loraLayout === 'per_rank' ? 1 : config.rank;
      head(`heads.${group.name}`, Object.fromEntries(LORA_TARGETS.flatMap((t) => [[`${t}_a`, rows * d], [`${t}_b`, rows * inner]])));
    } else {
      for (const part of ['k', 'v']) head(`heads.${group.name}.${part}`, Object.fromEntries(Array.from({ length: group.blocks }, (_, l) => [`${l}`, inner])));
      if (config.prefixLogitBias) for (let l = 0; l < group.blocks; l++) shapes.set(`heads.${group.name}.${l}.logit_bias`, [1, base.numHeads]);
    }
  }
  return shapes;
}

/** Buffers of zeros for a hypermodel; its trunk has no output head. Matrices of trunk and heads take `dtype`. */
export function allocateHypermodel(engine: Engine, config: HyperConfig, base: T5Config, frozen: boolean, dtype: FloatType = 'f32'): Hypermodel {
  const parameters = new Parameters(engine);
  for (const [name, shape] of expectedTensors(trunkConfig(base))) parameters.add(name, shape, name === 'shared.weight' ? 'f32' : matrixType(name, shape, dtype), frozen);
  for (const [name, shape] of headShapes(config, base)) parameters.add(name, shape, name.endsWith('w1') || name.endsWith('w2') ? dtype : 'f32', frozen);
  return { config, base, parameters };
}

function trunkConfig(base: T5Config): T5Config {
  return { ...base, tieWordEmbeddings: true };
}

/** Symbols and feeds of a hypermodel in a graph; `hyperFeeds` gives their values. */
export interface HyperInputs {
  /** Evidence sets. */
  sets: Dim;
  /** i32 [tokens]: packed few-shot tokens. */
  ids: Value;
  /** i32 [sets + 1] */
  offsets: Value;
}

export function hyperInputs(g: Graph, capacity: { sets: number; tokens: number }): HyperInputs {
  const sets = g.symbol('sets', capacity.sets);
  const tokens = g.symbol('hyperTokens', capacity.tokens);
  return { sets, ids: g.feed('hyper.ids', 'i32', [tokens]), offsets: g.feed('hyper.offsets', 'i32', [sets.plus(1)]) };
}

/** Rows in the order [block][set][row] in which heads read the queries of a group: each block's states are then one piece. */
function gatherIndex(config: HyperConfig, base: T5Config, group: SiteGroup, sets: number): Int32Array {
  const total = queryCount(config, base);
  const first = firstQuery(config, base, group);
  const blocks = group.part === 'lora' ? group.blocks : 1;
  const rows = groupQueries(config, group) / blocks;
  const index = new Int32Array(blocks * sets * rows);
  let at = 0;
  for (let block = 0; block < blocks; block++) for (let set = 0; set < sets; set++) for (let row = 0; row < rows; row++) index[at++] = set * total + first + block * rows + row;
  return index;
}

function indexFeed({ part, name }: SiteGroup): string {
  return `hyper.index.${part}.${name}`;
}

/** Feeds that `hyperInputs` and `generate` declare for these parts, for packed few-shot tokens. */
export function hyperFeeds(config: HyperConfig, base: T5Config, packed: { ids: Int32Array; offsets: Int32Array }, parts: readonly HyperPart[] = partsOf(config.kind)): Record<string, Int32Array> {
  const sets = packed.offsets.length - 1;
  const queries = queryCount(config, base);
  const feeds: Record<string, Int32Array> = {
    'hyper.ids': packed.ids,
    'hyper.offsets': packed.offsets,
    'hyper.query': Int32Array.from({ length: sets * queries }, (_, i) => i % queries),
    'hyper.queryOffsets': Int32Array.from({ length: sets + 1 }, (_, i) => i * queries),
    'hyper.table': Int32Array.from({ length: sets }, (_, i) => i),
  };
  const prefixes = parts.includes('prefix');
  if (prefixes) feeds['hyper.length'] = new Int32Array(sets).fill(config.prefixLength);
  if (prefixes && config.prefixLogitBias) feeds['hyper.zeros'] = new Int32Array(sets);
  for (const group of siteGroups(config, base)) if (parts.includes(group.part)) feeds[indexFeed(group)] = gatherIndex(config, base, group, sets);
  return feeds;
}

/** What a hypermodel emits for a batch of evidence sets; slot s of every state is set s. */
export interface Generated {
  states: States;
  lowRank: ReadonlyMap<string, LowRank>;
  prefix: ReadonlyMap<string, KVPrefix>;
}

export interface GenerateStatesOptions extends Pick<StackOptions, 'dropout'> {
  /** Parts to write; default: all the hypermodel has. The trunk does the same work for either. */
  parts?: readonly HyperPart[];
}

/** One forward pass: examples -> states. */
export function generate(g: Graph, hyper: Hypermodel, inputs: HyperInputs, options: GenerateStatesOptions = {}): Generated {
  return g.scope('hyper', () => new Generator(g, hyper, inputs, options).run());
}

class Generator {
  private readonly g: Graph;
  private readonly hyper: Hypermodel;
  private readonly inputs: HyperInputs;
  private readonly options: GenerateStatesOptions;
  private readonly lowRank = new Map<string, LowRank>();
  private readonly prefix = new Map<string, KVPrefix>();

  constructor(g: Graph, hyper: Hypermodel, inputs: HyperInputs, options: GenerateStatesOptions) {
    this.g = g;
    this.hyper = hyper;
    this.inputs = inputs;
    this.options = options;
  }

  run(): Generated {
    const { config, base } = this.hyper;
    const vectors = this.trunk();
    const table = this.g.feed('hyper.table', 'i32', [this.inputs.sets]);
    const pages = reshape(this.g, { x: table, shape: [this.inputs.sets, 1] });
    const parts = this.options.parts ?? partsOf(config.kind);
    for (const group of siteGroups(config, base)) {
      if (parts.includes(group.part)) this.g.scope(group.name, () => (group.part === 'lora' ? this.lora(group, vectors, pages) : this.prefixes(group, vectors, pages)));
    }
    const { lowRank, prefix } = this;
    return { lowRank, prefix, states: { lowRank: (path) => lowRank.get(path), pageRank: config.rank, prefix: (site) => prefix.get(site) } };
  }

  /** [sets * queries, d] */
  private trunk(): Value {
    const { g, hyper: { config, base, parameters }, inputs } = this;
    const stack = new T5Stack(g, trunkConfig(base), parameters, { dropout: this.options.dropout });
    const memory = stack.encode(stack.embed(inputs.ids), { offsets: inputs.offsets });
    const queries = queryCount(config, base);
    const index = g.feed('hyper.query', 'i32', [inputs.sets.times(queries)]);
    const offsets = g.feed('hyper.queryOffsets', 'i32', [inputs.sets.plus(1)]);
    const x = gatherRows(g, { x: parameters.value(g, 'queries'), index });
    return stack.decode(x, { offsets }, { states: memory, rows: { offsets: inputs.offsets } }, config.queryBias);
  }

  private lora(group: SiteGroup, vectors: Value, table: Value): void {
    const { g, hyper: { config, base } } = this;
    const outs = this.head(`heads.${group.name}`, this.rows(group, vectors), LORA_TARGETS.flatMap((t) => [`${t}_a`, `${t}_b`]));
    const rows = this.inputs.sets.times(config.rank);
    const scale = fill(g, { value: config.alpha / config.rank, shape: [this.inputs.sets] });
    const module = group.site === 'self' ? 'SelfAttention' : 'EncDecAttention';
    LORA_TARGETS.forEach((target, t) => {
      const a = this.split(outs[2 * t], group.blocks, [rows, base.dModel]);
      const b = this.split(outs[2 * t + 1], group.blocks, [rows, innerWidth(base)]);
      for (let l = 0; l < group.blocks; l++) {
        this.lowRank.set(`${group.stack}.block.${l}.layer.${layerIndex(group.stack, group.site)}.${module}.${target}`, { a: a[l], b: b[l], table, scale });
      }
    });
  }

  private prefixes(group: SiteGroup, vectors: Value, table: Value): void {
    const { g, hyper: { config, parameters } } = this;
    const rows = this.rows(group, vectors);
    const blocks = Array.from({ length: group.blocks }, (_, l) => `${l}`);
    const k = this.head(`heads.${group.name}.k`, rows, blocks);
    const v = this.head(`heads.${group.name}.v`, rows, blocks);
    const length = this.feedOnce('hyper.length');
    for (let l = 0; l < group.blocks; l++) {
      const bias = config.prefixLogitBias
        ? gatherRows(g, { x: parameters.value(g, `heads.${group.name}.${l}.logit_bias`), index: this.feedOnce('hyper.zeros') })
        : undefined;
      this.prefix.set(`${group.stack}.block.${l}.${group.site}`, { k: k[l], v: v[l], table, length, bias, pageLength: config.prefixLength, policy: 'zero' });
    }
  }

  /** The group's vectors in the order of `gatherIndex`. */
  private rows(group: SiteGroup, vectors: Value): Value {
    const { config } = this.hyper;
    const index = this.g.feed(indexFeed(group), 'i32', [this.inputs.sets.times(groupQueries(config, group))]);
    return gatherRows(this.g, { x: vectors, index });
  }

  private head(name: string, u: Value, outs: readonly string[]): Value[] {
    const { g, hyper: { config, base, parameters } } = this;
    const value = (suffix: string) => parameters.value(g, `${name}.${suffix}`);
    const x = config.headNorm ? rmsNorm(g, { x: u, gain: value('norm'), eps: base.layerNormEpsilon }).y : u;
    return hyperHeads(g, { u: x, w1: value('w1'), b1: value('b1'), heads: outs.map((out) => ({ w: value(`${out}.w2`), b: value(`${out}.b2`) })), outputScale: config.outputScale });
  }

  private split(x: Value, n: number, shape: [Dim, number]): Value[] {
    return splitRows(this.g, { x, n }).map((part) => reshape(this.g, { x: part, shape }));
  }

  private feedOnce(name: string): Value {
    return this.g.feeds.get(name) ?? this.g.feed(name, 'i32', [this.inputs.sets]);
  }
}
