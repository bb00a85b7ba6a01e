/*
 * The package's own adapter format, for what PEFT has no file for: prefixes at any attention layer with either bias
 * policy, and several kinds in one adapter. A folder with two files:
 *
 * hypertune_config.json: { "format": "hypertune-adapter", "version": 1, "base_model_name_or_path": string or null,
 *   "parts": [ { "kind": "lora", "modules": { "<module path>": { "alpha": number, "scale": number } } },
 *              { "kind": "prompt", "length": n },
 *              { "kind": "prefix", "length": m, "bias_policy": "zero" or "preceding", "sites": ["encoder.block.0.self"] } ] }
 *   with at least one part and at most one of each kind.
 *
 * hypertune_adapter.safetensors, all F32, [rows, columns]:
 *   lora.<module path>.lora_A [rank, in], lora.<module path>.lora_B [out, rank]
 *   prompt.embeddings [n, d_model]
 *   prefix.<site>.key and prefix.<site>.value [m, heads * head width]
 */
import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { ConfigFields } from '../t5/fields.ts';
import type { JsonObject } from '../t5/fields.ts';
import { siteName } from './adapter-file.ts';
import type { AdapterFile, AdapterPart, LoraFile, PrefixFile, PrefixSite, PromptFile } from './adapter-file.ts';
import { quote } from './json.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { float32Tensor } from './safetensors-write.ts';
import type { TensorData } from './safetensors-write.ts';
import { t5Linears } from './t5-linears.ts';

const FORMAT = 'hypertune-adapter';
const SOURCE = 'hypertune_config.json';

/** Configuration and tensors of any adapter in the own format. */
export function exportHypertune(
  file: AdapterFile,
  base: T5Config,
  baseModelName?: string,
): { config: JsonObject; tensors: TensorData[] } {
  const parts = file.kind === 'combined' ? file.parts : [file];
  const exported = parts.map((part) => exportPart(part, base));
  const config = {
    format: FORMAT,
    version: 1,
    base_model_name_or_path: baseModelName ?? null,
    parts: exported.map((part) => part.config),
  };
  return { config, tensors: exported.flatMap((part) => part.tensors) };
}

function exportPart(part: AdapterPart, base: T5Config): { config: JsonObject; tensors: TensorData[] } {
  if (part.kind === 'lora') {
    return {
      config: { kind: 'lora', modules: Object.fromEntries(part.modules.map(({ path, alpha, scale }) => [path, { alpha, scale }])) },
      tensors: part.modules.flatMap((m) => [
        float32Tensor(`lora.${m.path}.lora_A`, [m.rank, m.inFeatures], m.a),
        float32Tensor(`lora.${m.path}.lora_B`, [m.outFeatures, m.rank], m.b),
      ]),
    };
  }
  if (part.kind === 'prompt') {
    const { length, width, embeddings } = part;
    return { config: { kind: 'prompt', length }, tensors: [float32Tensor('prompt.embeddings', [length, width], embeddings)] };
  }
  const shape = [part.length, innerWidth(base)];
  return {
    config: { kind: 'prefix', length: part.length, bias_policy: part.biasPolicy, sites: part.sites.map(siteName) },
    tensors: part.sites.flatMap((site) => [
      float32Tensor(`prefix.${siteName(site)}.key`, shape, site.k),
      float32Tensor(`prefix.${siteName(site)}.value`, shape, site.v),
    ]),
  };
}

/** Reads the own format. Every tensor must be called for and every tensor called for must be there. */
export async function readHypertune(json: unknown, file: SafetensorsFile, base: T5Config): Promise<AdapterFile> {
  const fields = new ConfigFields(json, SOURCE);
  if (fields.string('format') !== FORMAT) throw fields.invalid('format', `"${FORMAT}"`);
  if (fields.integer('version') !== 1) throw fields.unsupported('version', 'Update the package that reads it.');
  const list = fields.get('parts');
  if (!Array.isArray(list) || list.length === 0) throw fields.invalid('parts', 'a list of parts');

  const read = new Set<string>();
  const tensors: TensorReader = async (name, shape) => {
    read.add(name);
    return readTensor(file, name, shape);
  };
  const parts: AdapterPart[] = [];
  for (const [i, part] of list.entries()) {
    const f = new ConfigFields(part, `${SOURCE}: parts[${i}]`);
    const kind = f.string('kind');
    if (parts.some((earlier) => earlier.kind === kind)) throw f.invalid('kind', 'another kind than the parts before it');
    if (kind === 'lora') parts.push(await readLoraPart(f, file, base, tensors));
    else if (kind === 'prompt') parts.push(await readPromptPart(f, base, tensors));
    else if (kind === 'prefix') parts.push(await readPrefixPart(f, base, tensors));
    else throw f.unsupported('kind', 'Supported: lora, prompt, prefix.');
  }
  for (const name of file.tensors.keys()) {
    if (!read.has(name)) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${file.path} holds ${quote(name)}, which no part calls for.`, { field: name });
    }
  }
  return parts.length === 1 ? { ...parts[0], config: fields.raw } : { kind: 'combined', parts, config: fields.raw };
}

type TensorReader = (name: string, shape: [number | undefined, number]) => Promise<Float32Array>;

async function readLoraPart(f: ConfigFields, file: SafetensorsFile, base: T5Config, tensors: TensorReader): Promise<LoraFile> {
  const entries = new ConfigFields(f.get('modules'), `${f.source}.modules`);
  const linears = t5Linears(base);
  for (const path of Object.keys(entries.raw)) {
    if (!linears.has(path)) throw entries.invalid(path, 'the path of a linear of the base model as key');
  }
  const lora: LoraFile = { kind: 'lora', modules: [], config: f.raw };
  for (const linear of linears.values()) {
    const entry = entries.get(linear.path);
    if (entry === undefined) continue;
    const numbers = new ConfigFields(entry, `${f.source}.modules.${linear.path}`);
    const name = `lora.${linear.path}`;
    const a = await tensors(`${name}.lora_A`, [undefined, linear.inFeatures]);
    const rank = file.tensors.get(`${name}.lora_A`)!.shape[0];
    const b = await tensors(`${name}.lora_B`, [linear.outFeatures, rank]);
    lora.modules.push({ ...linear, rank, a, b, alpha: numbers.number('alpha'), scale: numbers.number('scale') });
  }
  return lora;
}

async function readPromptPart(f: ConfigFields, base: T5Config, tensors: TensorReader): Promise<PromptFile> {
  const length = f.integer('length', undefined, { min: 1 });
  const embeddings = await tensors('prompt.embeddings', [length, base.dModel]);
  return { kind: 'prompt', length, width: base.dModel, embeddings, config: f.raw };
}

async function readPrefixPart(f: ConfigFields, base: T5Config, tensors: TensorReader): Promise<PrefixFile> {
  const length = f.integer('length', undefined, { min: 1 });
  const biasPolicy = f.string('bias_policy');
  if (biasPolicy !== 'zero' && biasPolicy !== 'preceding') throw f.invalid('bias_policy', '"zero" or "preceding"');
  const names = f.get('sites');
  if (!Array.isArray(names)) throw f.invalid('sites', 'a list of attention layers');
  const sites: PrefixSite[] = [];
  for (const name of names as unknown[]) {
    const found = /^(encoder|decoder)\.block\.(\d{1,4})\.(self|cross)$/.exec(String(name));
    if (!found) throw f.invalid('sites', 'names such as decoder.block.0.self');
    const [stack, block, site] = [found[1], Number(found[2]), found[3]] as [PrefixSite['stack'], number, PrefixSite['site']];
    const canonical = siteName({ stack, block, site });
    sites.push({
      stack,
      block,
      site,
      k: await tensors(`prefix.${canonical}.key`, [length, innerWidth(base)]),
      v: await tensors(`prefix.${canonical}.value`, [length, innerWidth(base)]),
    });
  }
  return { kind: 'prefix', length, biasPolicy, sites, config: f.raw };
}

async function readTensor(
  file: SafetensorsFile,
  name: string,
  [rows, columns]: [number | undefined, number],
): Promise<Float32Array> {
  const shape = file.tensors.get(name)?.shape;
  if (shape === undefined) {
    throw new HypertuneError('TENSOR_MISSING', `${file.path} has no tensor ${quote(name)}.`, { field: name });
  }
  const fits = shape.length === 2 && shape[0] > 0 && shape[0] === (rows ?? shape[0]) && shape[1] === columns;
  if (!fits) {
    throw new HypertuneError('TENSOR_SHAPE', `${name} is [${shape.join(', ')}]; expected [${rows ?? 'rank'}, ${columns}].`, {
      field: name,
    });
  }
  return file.readFloat32(name);
}
