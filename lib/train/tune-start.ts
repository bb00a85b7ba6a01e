/** Adapters that nothing has trained yet, with the usual starting values of their method. */
import type { AdapterBank, AdapterLayout, PrefixPolicy, Slot } from '../adapters/bank.ts';
import { requirePositiveInteger } from '../data/hyper-input.ts';
import { Random } from '../data/random.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { LinearName } from '../files/adapter-file.ts';
import { t5Linears } from '../files/t5-linears.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { normals, uniforms } from './init.ts';

export interface FreshOptions {
  kind: 'lora' | 'prefix' | 'prompt';
  /** LoRA: rank (default 8), alpha (default: the rank, so that the update is B A x) and linears (default q and v of every attention). */
  rank?: number;
  alpha?: number;
  targets?: readonly LinearName[];
  /** Rows of a prefix or prompt. Default 20. */
  length?: number;
  /**
   * Prefix: attention sites such as `decoder.block.0.self` (default: every self-attention), and the position bias of
   * prefix rows (default `zero`). PEFT's folder holds decoder self-attention with `preceding` only.
   */
  sites?: readonly string[];
  policy?: PrefixPolicy;
}

/** Sizes of a fresh adapter. Throws ARGUMENT_RANGE, ARGUMENT_INVALID for a kind, linear or site that the T5 does not have. */
export function freshLayout(config: T5Config, options: FreshOptions): AdapterLayout {
  const none: AdapterLayout = { lowRank: new Map(), prefix: [], prefixLength: 0, policy: 'zero', logitBias: false, promptLength: 0 };
  const { kind, rank = 8, length = 20 } = options;
  if (kind === 'lora') {
    requirePositiveInteger(rank, 'rank');
    return { ...none, lowRank: lowRankLayout(config, rank, options.alpha ?? rank, options.targets ?? ['q', 'v']) };
  }
  requirePositiveInteger(length, 'length');
  if (kind === 'prompt') return { ...none, promptLength: length };
  if (kind === 'prefix') return { ...none, prefix: prefixSites(config, options.sites), prefixLength: length, policy: options.policy ?? 'zero' };
  throw new HypertuneError('ARGUMENT_INVALID', `'${String(kind)}' is no kind of adapter.`, { field: 'kind', remedy: 'Use lora, prefix or prompt.' });
}

/**
 * A new slot with starting values: A uniform in +-in^-0.5 and B 0 (Hu et al. 2021 as PEFT draws it: Kaiming with a = sqrt 5),
 * which leaves the T5's output as it is; keys, values and prompt rows standard normal (PEFT's embedding tables).
 */
export async function freshSlot(bank: AdapterBank, layout: AdapterLayout, seed: number): Promise<Slot> {
  const draw = (name: string) => Random.stream(seed, 'fresh', name);
  const inner = innerWidth(bank.config);
  const slot = await bank.reserve(layout);
  try {
    for (const [path, { rank, inFeatures, outFeatures }] of layout.lowRank) {
      await bank.write(slot, 'lowRank', path, uniforms(draw(path), rank * inFeatures, inFeatures ** -0.5), new Float32Array(rank * outFeatures));
    }
    for (const site of layout.prefix) {
      const rng = draw(site);
      await bank.write(slot, 'prefix', site, normals(rng, layout.prefixLength * inner, 1), normals(rng, layout.prefixLength * inner, 1));
    }
    if (layout.promptLength) await bank.writePrompt(slot, normals(draw('prompt'), layout.promptLength * bank.config.dModel, 1));
    return slot;
  } catch (error) {
    bank.free(slot);
    throw error;
  }
}

function lowRankLayout(config: T5Config, rank: number, alpha: number, targets: readonly LinearName[]): AdapterLayout['lowRank'] {
  if (!(Number.isFinite(alpha) && alpha !== 0)) throw new HypertuneError('ARGUMENT_RANGE', `expected a finite number other than 0, got ${alpha}.`, { field: 'alpha' });
  const linears = [...t5Linears(config).values()];
  for (const target of targets) if (!linears.some(({ name }) => name === target)) throw unknown('targets', target, new Set(linears.map(({ name }) => name)));
  const chosen = linears.filter(({ name }) => targets.includes(name));
  if (chosen.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'no linear is named.', { field: 'targets' });
  return new Map(chosen.map(({ path, inFeatures, outFeatures }) => [path, { rank, inFeatures, outFeatures, scale: alpha / rank }]));
}

function prefixSites(config: T5Config, given: readonly string[] | undefined): readonly string[] {
  const sites = (stack: string, blocks: number, site: string) => Array.from({ length: blocks }, (_, l) => `${stack}.block.${l}.${site}`);
  const self = [...sites('encoder', config.numLayers, 'self'), ...sites('decoder', config.numDecoderLayers, 'self')];
  if (given === undefined) return self;
  const all = new Set([...self, ...sites('decoder', config.numDecoderLayers, 'cross')]);
  for (const site of given) if (!all.has(site)) throw unknown('sites', site, all);
  if (given.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'no site is named.', { field: 'sites' });
  return [...new Set(given)];
}

function unknown(field: string, name: string, known: Iterable<string>): HypertuneError {
  return new HypertuneError('ARGUMENT_INVALID', `the T5 has no '${name}'.`, { field, remedy: `Use some of: ${[...known].join(', ')}.` });
}
