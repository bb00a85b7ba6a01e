/**
 * The T5 graph with its attach points: encoder, decoder and one decoding step over packed rows.
 * Raffel et al. 2020 (v1.0: ReLU, tied head) and Shazeer 2020, arXiv:2002.05202 (v1.1: gated GELU).
 */
import {
  activation, dropout, embedding, gatedActivation, kvAppend, linear, loraLinear, prefixAttention, prefixAttentionDecode, rmsNorm, scale,
} from '../graph/index.ts';
import type { Graph, Prefix, Value } from '../graph/index.ts';
import type { T5Config } from './config.ts';
import { HEAD } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import type { Rows, States } from './states.ts';
import { feedForwardNames, layerIndex } from './tensor-names.ts';

type Stack = 'encoder' | 'decoder';
type Site = 'self' | 'cross';

/**
 * What self-attention sees: `causal` hides what follows; the others see everything, with T5's buckets for both directions,
 * with its one-directional buckets (a hypermodel's decoder by default), or without position bias.
 */
export type DecoderView = 'causal' | 'bidirectional' | 'one-directional' | 'unbiased';

/** Names of the nodes of a block, of any stack in a graph: what gradient checkpointing computes again (`gradients`, `recompute`). */
export const T5_BLOCKS = /^.*?(encoder|decoder)\.block\.\d+\b/;

export interface StackOptions {
  states?: States;
  /** Training only: Philox key i32 [4] and rate f32 [1]; on embeddings, sub-layer outputs, the gate product and the final norm. */
  dropout?: { key: Value; rate: Value };
}

/** Encoder states that decoder rows attend to. */
export interface Memory {
  /** [tokens, d] */
  states: Value;
  /** Rows of the encoder, which choose the states of cross-attention keys and values. */
  rows: Rows;
  /** i32 [R]: memory row of each decoder row; absent: its own. */
  row?: Value;
}

/** Keys and values of one cross-attention site, computed once per source. */
export interface CrossKV {
  /** [tokens, inner] each. */
  k: Value;
  v: Value;
}

export interface StepInputs {
  /** i32 [R] */
  token: Value;
  /** i32 [R]: decoder tokens of each row, the current one included. */
  length: Value;
  cacheLength: number;
  /** Self-attention caches by block, [cacheLength * C, inner] each. */
  caches: readonly CrossKV[];
  cross: readonly CrossKV[];
  memoryOffsets: Value;
  memoryRow: Value;
  ancestors?: Value;
  slots?: Value;
}

export class T5Stack {
  readonly g: Graph;
  readonly config: T5Config;
  readonly parameters: Parameters;
  private readonly states: States;
  private readonly dropout?: { key: Value; rate: Value };

  constructor(g: Graph, config: T5Config, parameters: Parameters, options: StackOptions = {}) {
    this.g = g;
    this.config = config;
    this.parameters = parameters;
    this.states = options.states ?? {};
    this.dropout = options.dropout;
  }

  /** ids i32 [T] -> [T, d]; ids from vocabSize on are soft-prompt rows. */
  embed(ids: Value): Value {
    return this.drop(embedding(this.g, { table: this.weight('shared.weight'), prompt: this.states.prompt, ids }));
  }

  /** Embeddings [T, d] -> encoder states [T, d], after the final norm. */
  encode(x: Value, rows: Rows): Value {
    return this.stack('encoder', x, this.config.numLayers, (u, block) => this.selfAttention('encoder', block, u, rows, 'bidirectional'), undefined, rows);
  }

  /** Embeddings [T, d] -> decoder states [T, d]. */
  decode(x: Value, rows: Rows, memory: Memory, view: DecoderView = 'causal'): Value {
    return this.stack(
      'decoder', x, this.config.numDecoderLayers,
      (u, block) => this.selfAttention('decoder', block, u, rows, view),
      (u, block) => this.crossAttention(block, u, rows, this.crossKV(block, memory), memory.rows.offsets!, memory.row),
      rows,
    );
  }

  /** Keys and values of a cross-attention site, with the low-rank terms of the memory's rows. */
  crossKV(block: number, memory: Memory): CrossKV {
    const [k, v] = this.g.scope(`decoder.block.${block}.cross`, () => this.project('decoder', block, 'cross', ['k', 'v'], memory.states, memory.rows));
    return { k, v };
  }

  /** One token per row -> decoder states [R, d]; appends to the caches. */
  step(inputs: StepInputs): Value {
    const rows: Rows = { slots: inputs.slots };
    return this.stack(
      'decoder', this.embed(inputs.token), this.config.numDecoderLayers,
      (u, block) => {
        const [q, k, v] = this.project('decoder', block, 'self', ['q', 'k', 'v'], u, rows);
        const { k: cacheK, v: cacheV } = inputs.caches[block];
        const { length, cacheLength, ancestors } = inputs;
        kvAppend(this.g, { cache: cacheK, x: k, length, cacheLength });
        kvAppend(this.g, { cache: cacheV, x: v, length, cacheLength });
        const o = prefixAttentionDecode(this.g, {
          q, k: cacheK, v: cacheV, length, ancestors, cacheLength, heads: this.config.numHeads, bias: this.bias('decoder'),
          maxDistance: this.config.relativeAttentionMaxDistance, prefix: this.prefix('decoder', block, 'self', rows),
        });
        return this.project('decoder', block, 'self', ['o'], o, rows)[0];
      },
      (u, block) => this.crossAttention(block, u, rows, inputs.cross[block], inputs.memoryOffsets, inputs.memoryRow),
      rows,
    );
  }

  /** Decoder states -> logits [T, vocabSize]. */
  logits(x: Value): Value {
    return linear(this.g, { x: this.headScale === 1 ? x : scale(this.g, { x, alpha: this.headScale }), ...this.head(), name: 'lm_head' });
  }

  /** The output projection, [vocabSize, d]. */
  head(): { w: Value; wScale?: Value } {
    return this.parameters.linear(this.g, this.parameters.has(HEAD) ? HEAD : 'shared.weight');
  }

  /** Factor on decoder states before the output projection: d^-0.5 where the head is tied (v1.0), else 1. */
  get headScale(): number {
    return this.config.scaleDecoderOutputs ? this.config.dModel ** -0.5 : 1;
  }

  /** Pre-norm residual blocks; each norm also adds the sub-layer before it to the residual stream. */
  private stack(
    stack: Stack, x: Value, blocks: number,
    self: (u: Value, block: number) => Value, cross: ((u: Value, block: number) => Value) | undefined, rows: Rows,
  ): Value {
    let residual: Value | undefined;
    let pending = x;
    const norm = (name: string) => {
      const { y, h } = rmsNorm(this.g, { x: pending, residual, gain: this.weight(`${name}.weight`), eps: this.config.layerNormEpsilon });
      residual = h;
      return y;
    };
    for (let block = 0; block < blocks; block++) {
      this.g.scope(`${stack}.block.${block}`, () => {
        const sublayer = (site: Site | 'ff', apply: (u: Value) => Value) =>
          this.g.scope(site, () => {
            pending = this.drop(apply(norm(`${stack}.block.${block}.layer.${layerIndex(stack, site)}.layer_norm`)));
          });
        sublayer('self', (u) => self(u, block));
        if (cross) sublayer('cross', (u) => cross(u, block));
        sublayer('ff', (u) => this.feedForward(stack, block, u, rows));
      });
    }
    return this.g.scope(stack, () => this.drop(norm(`${stack}.final_layer_norm`)));
  }

  private selfAttention(stack: Stack, block: number, u: Value, rows: Rows, view: DecoderView): Value {
    const [q, k, v] = this.project(stack, block, 'self', ['q', 'k', 'v'], u, rows);
    const { o } = prefixAttention(this.g, {
      q, k, v, qOffsets: rows.offsets, kOffsets: rows.offsets!, heads: this.config.numHeads, bias: view === 'unbiased' ? undefined : this.bias(stack),
      causal: view === 'causal', bidirectional: view === 'bidirectional',
      maxDistance: this.config.relativeAttentionMaxDistance, prefix: this.prefix(stack, block, 'self', rows),
    });
    return this.project(stack, block, 'self', ['o'], o, rows)[0];
  }

  private crossAttention(block: number, u: Value, rows: Rows, { k, v }: CrossKV, kOffsets: Value, kvRow: Value | undefined): Value {
    const [q] = this.project('decoder', block, 'cross', ['q'], u, rows);
    const { o } = prefixAttention(this.g, {
      q, k, v, qOffsets: rows.offsets, kOffsets, kvRow, heads: this.config.numHeads, prefix: this.prefix('decoder', block, 'cross', rows),
    });
    return this.project('decoder', block, 'cross', ['o'], o, rows)[0];
  }

  private feedForward(stack: Stack, block: number, u: Value, rows: Rows): Value {
    const names = feedForwardNames(this.config);
    const inner = this.project(stack, block, 'ff', names.slice(0, -1), u, rows);
    const hidden =
      inner.length === 2
        ? gatedActivation(this.g, { a: inner[0], b: inner[1], kind: 'gelu_new' })
        : activation(this.g, { x: inner[0], kind: this.config.feedForward === 'relu' ? 'relu' : 'gelu_new' });
    return this.project(stack, block, 'ff', ['wo'], this.drop(hidden), rows)[0];
  }

  /** Linears that share their input, with whatever low-rank terms the states hold. */
  private project(stack: Stack, block: number, site: Site | 'ff', names: readonly string[], x: Value, rows: Rows): Value[] {
    const module = { self: 'SelfAttention', cross: 'EncDecAttention', ff: 'DenseReluDense' }[site];
    const weights = names.map((name) => {
      const path = `${stack}.block.${block}.layer.${layerIndex(stack, site)}.${module}.${name}`;
      return { ...this.parameters.linear(this.g, `${path}.weight`), lowRank: rows.slots && this.states.lowRank?.(path) };
    });
    const adapted = weights.some(({ lowRank }) => lowRank);
    return loraLinear(this.g, { x, weights, ...(adapted ? { offsets: rows.offsets, slots: rows.slots, pageRank: this.states.pageRank } : {}), name: names.join('_') });
  }

  private prefix(stack: Stack, block: number, site: Site, rows: Rows): Prefix | undefined {
    const prefix = rows.slots && this.states.prefix?.(`${stack}.block.${block}.${site}`);
    return prefix && { ...prefix, slot: rows.slots! };
  }

  private bias(stack: Stack): Value {
    return this.weight(`${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`);
  }

  private weight(name: string): Value {
    return this.parameters.value(this.g, name);
  }

  private drop(x: Value): Value {
    return this.dropout ? dropout(this.g, { x, ...this.dropout }) : x;
  }
}
