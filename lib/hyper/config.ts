/** What a hypermodel is: hyper_config.json beside its tensors. */
import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { ConfigFields } from '../t5/fields.ts';

/** `both`: one trunk that writes LoRA factors and prefixes; each can also be asked for alone. */
export type HyperKind = 'lora' | 'prefix' | 'both';
/** What heads write. */
export type HyperPart = 'lora' | 'prefix';
/** Position bias of the hypermodel's decoder, which has no causal mask: T5's one-directional buckets as trained, none, or both directions. */
export type QueryBias = 'one-directional' | 'unbiased' | 'bidirectional';

/** Defaults are those of the published recipe where it states one (Phang et al. 2023), with T5-large sizes in mind. */
export interface HyperConfig {
  kind: HyperKind;
  /** LoRA rank and alpha; the update is scaled by alpha / rank. */
  rank: number;
  alpha: number;
  /** `per_layer`: one query writes the factors of a block; `per_rank`: one query writes one rank row of a block (after HINT's components). */
  loraLayout: 'per_layer' | 'per_rank';
  /** Prefix rows per attention site. */
  prefixLength: number;
  /** Prefixes at cross-attention too. */
  prefixCross: boolean;
  /** Learned scalar per site and head on the scores of prefix rows; starts at -8, so that the prefix starts nearly unseen. */
  prefixLogitBias: boolean;
  /** RMSNorm in front of every head. */
  headNorm: boolean;
  /** Factor on everything the heads emit. */
  outputScale: number;
  queryBias: QueryBias;
  /** Longest few-shot input, query and answer, in tokens. */
  hyperTokens: number;
  queryTokens: number;
  answerTokens: number;
  /** Whether queries end with EOS. */
  queryEos: boolean;
  /** Whether a task definition is preceded by the input marker. */
  definitionMarker: boolean;
}

export function defaultHyperConfig(kind: HyperKind): HyperConfig {
  return {
    kind, rank: 8, alpha: 8, loraLayout: 'per_layer', prefixLength: 32, prefixCross: false, prefixLogitBias: false, headNorm: false, outputScale: 1,
    queryBias: 'one-directional', hyperTokens: 1024, queryTokens: 384, answerTokens: 128, queryEos: false, definitionMarker: false,
  };
}

const MAX_RANK = 1024;
const MAX_TOKENS = 1 << 20;

/** Throws CONFIG_INVALID or CONFIG_UNSUPPORTED naming the field. */
export function parseHyperConfig(json: unknown, source = 'hyper_config.json'): HyperConfig {
  const fields = new ConfigFields(json, source);
  const kind = oneOf(fields.string('kind'), ['lora', 'prefix', 'both'], 'kind', source);
  const base = defaultHyperConfig(kind);
  const integer = (name: string, fallback: number, hi: number) => fields.optionalInteger(name, { min: 1, max: hi }) ?? fallback;
  const flag = (name: string, fallback: boolean) => fields.boolean(name, fallback);
  return {
    kind,
    rank: integer('rank', base.rank, MAX_RANK),
    alpha: fields.optionalNumber('alpha') ?? base.alpha,
    loraLayout: oneOf(fields.optionalString('lora_layout') ?? base.loraLayout, ['per_layer', 'per_rank'], 'lora_layout', source),
    prefixLength: integer('prefix_length', base.prefixLength, 4096),
    prefixCross: flag('prefix_cross', base.prefixCross),
    prefixLogitBias: flag('prefix_logit_bias', base.prefixLogitBias),
    headNorm: flag('head_norm', base.headNorm),
    outputScale: fields.optionalNumber('output_scale') ?? base.outputScale,
    queryBias: oneOf(fields.optionalString('query_bias') ?? base.queryBias, ['one-directional', 'unbiased', 'bidirectional'], 'query_bias', source),
    hyperTokens: integer('hyper_tokens', base.hyperTokens, MAX_TOKENS),
    queryTokens: integer('query_tokens', base.queryTokens, MAX_TOKENS),
    answerTokens: integer('answer_tokens', base.answerTokens, MAX_TOKENS),
    queryEos: flag('query_eos', base.queryEos),
    definitionMarker: flag('definition_marker', base.definitionMarker),
  };
}

export function serializeHyperConfig(c: HyperConfig): Record<string, unknown> {
  return {
    kind: c.kind, rank: c.rank, alpha: c.alpha, lora_layout: c.loraLayout, prefix_length: c.prefixLength, prefix_cross: c.prefixCross,
    prefix_logit_bias: c.prefixLogitBias, head_norm: c.headNorm, output_scale: c.outputScale, query_bias: c.queryBias, hyper_tokens: c.hyperTokens,
    query_tokens: c.queryTokens, answer_tokens: c.answerTokens, query_eos: c.queryEos, definition_marker: c.definitionMarker,
  };
}

function oneOf<T extends string>(value: string, allowed: readonly T[], field: string, source: string): T {
  const found = allowed.find((a) => a === value);
  if (!found) throw new HypertuneError('CONFIG_UNSUPPORTED', `'${value}' in ${source}.`, { field, remedy: `Use one of ${allowed.join(', ')}.` });
  return found;
}

/** What a hypermodel of this kind writes, or can be asked for. */
export function partsOf(kind: HyperKind): readonly HyperPart[] {
  return kind === 'both' ? ['lora', 'prefix'] : [kind];
}

/** An attention site that a hypermodel writes one part for, over all blocks of its stack. */
export interface SiteGroup {
  part: HyperPart;
  /** `encoder.self`, `decoder.self` or `decoder.cross`. */
  name: string;
  stack: 'encoder' | 'decoder';
  site: 'self' | 'cross';
  blocks: number;
}

/** The parts and sites of the configuration, in the order of the hypermodel's queries. */
export function siteGroups(config: HyperConfig, base: T5Config): SiteGroup[] {
  const sites = (part: HyperPart): SiteGroup[] => [
    { part, name: 'encoder.self', stack: 'encoder', site: 'self', blocks: base.numLayers },
    { part, name: 'decoder.self', stack: 'decoder', site: 'self', blocks: base.numDecoderLayers },
    { part, name: 'decoder.cross', stack: 'decoder', site: 'cross', blocks: base.numDecoderLayers },
  ];
  return partsOf(config.kind).flatMap((part) => (part === 'prefix' && !config.prefixCross ? sites(part).slice(0, 2) : sites(part)));
}

/** Queries of one group: rows of the table that its heads read. */
export function groupQueries(config: HyperConfig, group: SiteGroup): number {
  if (group.part === 'prefix') return config.prefixLength;
  return config.loraLayout === 'per_rank' ? group.blocks * config.rank : group.blocks;
}

/** Row of the query table at which a group's queries begin. */
export function firstQuery(config: HyperConfig, base: T5Config, { part, name }: SiteGroup): number {
  const groups = siteGroups(config, base);
  return groups.slice(0, groups.findIndex((g) => g.part === part && g.name === name)).reduce((n, group) => n + groupQueries(config, group), 0);
}

export function queryCount(config: HyperConfig, base: T5Config): number {
  return siteGroups(config, base).reduce((n, group) => n + groupQueries(config, group), 0);
}

/** Values of one generated adapter with all parts. */
export function adapterSize(config: HyperConfig, base: T5Config): number {
  const inner = innerWidth(base);
  return siteGroups(config, base).reduce((n, { part, blocks }) => n + blocks * (part === 'prefix' ? 2 * config.prefixLength * inner : 2 * config.rank * (base.dModel + inner)), 0);
}
