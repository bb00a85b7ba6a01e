import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { siteName } from './adapter-file.ts';
import type { AdapterFile, LoraFile, PrefixFile, PromptFile } from './adapter-file.ts';
import { t5Linears } from './t5-linears.ts';

/**
 * Checks an adapter against the base it is for: sizes, unknown or repeated places, values that are not finite.
 * Throws ADAPTER_MISMATCH, TENSOR_SHAPE or TENSOR_NON_FINITE.
 */
export function checkAdapter(adapter: AdapterFile, base: T5Config): void {
  if (adapter.kind === 'combined') {
    const kinds = new Set(adapter.parts.map(({ kind }) => kind));
    if (kinds.size !== adapter.parts.length || kinds.size < 2) {
      throw new HypertuneError('ADAPTER_MISMATCH', 'A combined adapter needs two or three parts, each of another kind.', { field: 'parts' });
    }
    for (const part of adapter.parts) checkAdapter(part, base);
  } else if (adapter.kind === 'lora') checkLora(adapter, base);
  else if (adapter.kind === 'prompt') checkPrompt(adapter, base);
  else checkPrefix(adapter, base);
}

function checkLora({ modules }: LoraFile, base: T5Config): void {
  if (modules.length === 0) throw new HypertuneError('ADAPTER_MISMATCH', 'The LoRA adapter has no module.', { field: 'modules' });
  const linears = t5Linears(base);
  for (const m of modules) {
    const linear = linears.get(m.path);
    // Taken out, so that a second module of the same path is not found.
    linears.delete(m.path);
    if (linear?.inFeatures !== m.inFeatures || linear.outFeatures !== m.outFeatures || !Number.isSafeInteger(m.rank) || m.rank < 1) {
      const size = `${m.outFeatures} x ${m.inFeatures}, rank ${m.rank}`;
      throw new HypertuneError('ADAPTER_MISMATCH', `${m.path} (${size}) is no linear of the base model, or is there twice.`, { field: m.path });
    }
    checkValues(`${m.path}.lora_A`, m.a, m.rank * m.inFeatures);
    checkValues(`${m.path}.lora_B`, m.b, m.outFeatures * m.rank);
    if (!Number.isFinite(m.scale)) throw nonFinite(`${m.path}.scale`);
  }
}

function checkPrompt(prompt: PromptFile, base: T5Config): void {
  if (prompt.width !== base.dModel) {
    throw new HypertuneError('ADAPTER_MISMATCH', `The prompt is ${prompt.width} wide; the base model has d_model ${base.dModel}.`, {
      field: 'width',
    });
  }
  checkLength(prompt.length);
  checkValues('prompt_embeddings', prompt.embeddings, prompt.length * prompt.width);
}

function checkPrefix(prefix: PrefixFile, base: T5Config): void {
  checkLength(prefix.length);
  if (prefix.sites.length === 0) throw new HypertuneError('ADAPTER_MISMATCH', 'The prefix has no site.', { field: 'sites' });
  const seen = new Set<string>();
  for (const site of prefix.sites) {
    const name = siteName(site);
    const blocks = site.stack === 'encoder' ? base.numLayers : base.numDecoderLayers;
    const exists = site.block >= 0 && site.block < blocks && (site.stack === 'decoder' || site.site === 'self');
    if (!exists || seen.has(name)) {
      const why = exists ? 'is there twice' : 'is no attention layer of the base model';
      throw new HypertuneError('ADAPTER_MISMATCH', `The prefix site ${name} ${why}.`, { field: name });
    }
    seen.add(name);
    checkValues(`${name}.key`, site.k, prefix.length * innerWidth(base));
    checkValues(`${name}.value`, site.v, prefix.length * innerWidth(base));
  }
}

function checkLength(length: number): void {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new HypertuneError('ADAPTER_MISMATCH', `A length of ${length} virtual tokens.`, { field: 'length' });
  }
}

function checkValues(name: string, values: Float32Array, count: number): void {
  if (values.length !== count) {
    throw new HypertuneError('TENSOR_SHAPE', `${name} has ${values.length} values; expected ${count}.`, { field: name });
  }
  if (!values.every(Number.isFinite)) throw nonFinite(name);
}

function nonFinite(name: string): HypertuneError {
  return new HypertuneError('TENSOR_NON_FINITE', `${name} holds a NaN or an infinity.`, { field: name });
}
