/**
 * Several adapters as one. States are closed under composition: low-rank terms concatenate along the rank, prefixes and soft
 * prompts concatenate in the order given.
 */
import { HypertuneError } from '../engine/errors.ts';
import type { AdapterFile, AdapterPart, LoraFile, LoraModule, PrefixFile, PromptFile } from '../files/adapter-file.ts';
import { siteName } from '../files/adapter-file.ts';

/** Throws ADAPTER_MISMATCH where prefixes cover different sites or follow different position policies. */
export function compose(files: readonly AdapterFile[]): AdapterFile {
  const parts = files.flatMap((file): readonly AdapterPart[] => (file.kind === 'combined' ? file.parts : [file]));
  const of = <K extends AdapterPart['kind']>(kind: K) => parts.filter((part): part is Extract<AdapterPart, { kind: K }> => part.kind === kind);
  const composed: AdapterPart[] = [];
  if (of('lora').length) composed.push(composeLora(of('lora')));
  if (of('prefix').length) composed.push(of('prefix').reduce(composePrefix));
  if (of('prompt').length) composed.push(of('prompt').reduce(composePrompt));
  if (composed.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'there is no adapter to combine.', { field: 'adapters' });
  return composed.length === 1 ? composed[0] : { kind: 'combined', parts: composed, config: {} };
}

function composeLora(loras: readonly LoraFile[]): LoraFile {
  if (loras.length === 1) return loras[0];
  const byPath = new Map<string, LoraModule>();
  for (const { modules } of loras) {
    for (const module of modules) {
      const known = byPath.get(module.path);
      byPath.set(module.path, known ? concatRank(known, module) : module);
    }
  }
  return { kind: 'lora', modules: [...byPath.values()], config: {} };
}

/** s1 B1 A1 + s2 B2 A2 as one term of scale 1: the scales go into B. */
function concatRank(x: LoraModule, y: LoraModule): LoraModule {
  const rank = x.rank + y.rank;
  const a = new Float32Array(rank * x.inFeatures);
  a.set(x.a);
  a.set(y.a, x.a.length);
  const b = new Float32Array(x.outFeatures * rank);
  for (let o = 0; o < x.outFeatures; o++) {
    for (let r = 0; r < x.rank; r++) b[o * rank + r] = x.scale * x.b[o * x.rank + r];
    for (let r = 0; r < y.rank; r++) b[o * rank + x.rank + r] = y.scale * y.b[o * y.rank + r];
  }
  return { ...x, rank, a, b, scale: 1, alpha: rank };
}

function composePrefix(x: PrefixFile, y: PrefixFile): PrefixFile {
  const sites = new Map(y.sites.map((site) => [siteName(site), site]));
  if (x.biasPolicy !== y.biasPolicy || x.sites.length !== y.sites.length || x.sites.some((site) => !sites.has(siteName(site)))) {
    throw new HypertuneError('ADAPTER_MISMATCH', 'prefixes of different sites or position policies cannot be joined.', { field: 'adapters', remedy: 'Join prefixes that one method wrote.' });
  }
  return {
    ...x, length: x.length + y.length,
    sites: x.sites.map((site) => ({ ...site, k: join(site.k, sites.get(siteName(site))!.k), v: join(site.v, sites.get(siteName(site))!.v) })),
  };
}

function composePrompt(x: PromptFile, y: PromptFile): PromptFile {
  return { ...x, length: x.length + y.length, embeddings: join(x.embeddings, y.embeddings) };
}

function join(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
