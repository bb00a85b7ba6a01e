import type { JsonObject } from '../t5/fields.ts';

export type Stack = 'encoder' | 'decoder';
export type AttentionSite = 'self' | 'cross';
export type LinearName = 'q' | 'k' | 'v' | 'o' | 'wi' | 'wi_0' | 'wi_1' | 'wo';

/** Low-rank update of one linear: y += scale * B (A x). */
export interface LoraModule {
  /** Path of the linear in the Hugging Face module tree. */
  path: string;
  stack: Stack;
  block: number;
  site: AttentionSite | 'ff';
  name: LinearName;
  rank: number;
  inFeatures: number;
  outFeatures: number;
  /** [rank, inFeatures], row-major. */
  a: Float32Array;
  /** [outFeatures, rank], row-major. */
  b: Float32Array;
  scale: number;
  /** scale = alpha / rank, or alpha / sqrt(rank) with rank-stabilised LoRA (Kalajdzievski 2023). */
  alpha: number;
}

export interface LoraFile {
  kind: 'lora';
  modules: LoraModule[];
  config: JsonObject;
}

/** Rows put before the encoder's input embeddings. */
export interface PromptFile {
  kind: 'prompt';
  length: number;
  width: number;
  /** [length, width], row-major. */
  embeddings: Float32Array;
  config: JsonObject;
}

/** Keys and values put before those of one attention layer; both [length, heads * head width], row-major. */
export interface PrefixSite {
  stack: Stack;
  block: number;
  site: AttentionSite;
  k: Float32Array;
  v: Float32Array;
}

export interface PrefixFile {
  kind: 'prefix';
  length: number;
  /** Position bias of prefix keys: none, or that of the `length` positions before the first token. */
  biasPolicy: 'zero' | 'preceding';
  sites: PrefixSite[];
  config: JsonObject;
}

export type AdapterPart = LoraFile | PromptFile | PrefixFile;

/** Several kinds at once, at most one part of each. */
export interface CombinedFile {
  kind: 'combined';
  parts: AdapterPart[];
  config: JsonObject;
}

/** An adapter as plain data, between a folder on disk and the engine. */
export type AdapterFile = AdapterPart | CombinedFile;

/** For example `decoder.block.1.cross`. */
export function siteName({ stack, block, site }: Pick<PrefixSite, 'stack' | 'block' | 'site'>): string {
  return `${stack}.block.${block}.${site}`;
}
