import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import type { ConfigFields, JsonObject } from '../t5/fields.ts';
import type { PrefixFile, PrefixSite } from './adapter-file.ts';
import { parseVirtualTokenConfig, peftBase, unsupportedExport } from './peft-config.ts';
import { TABLE, readTable } from './peft-prompt.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { float32Tensor } from './safetensors-write.ts';
import type { TensorData } from './safetensors-write.ts';

/*
 * What a PREFIX_TUNING file (Li and Liang 2021) means on T5. The table is [n, 2 L, D]: L layers, D = heads * head width.
 * Let R_j be its n rows of block j. PEFT puts the list of blocks behind itself and hands decoder layer l the four blocks
 * from 4 l: self-attention key and value, then a pair for cross-attention that is discarded. Hence layer l has
 *   K = R[4 l mod 2 L],  V = R[(4 l + 1) mod 2 L],  for l < L,
 * at decoder self-attention only. With even L, layers l and l + L/2 share one prefix; with odd L all differ.
 * The rows stand at the positions before the first token, so their position bias is that of those positions.
 */
function keyBlock(layer: number, layers: number): number {
  return (4 * layer) % (2 * layers);
}

/** Reads a PREFIX_TUNING folder. Throws ADAPTER_MISMATCH where PEFT itself could not run it on this base. */
export async function readPrefix(fields: ConfigFields, file: SafetensorsFile, base: T5Config): Promise<PrefixFile> {
  const config = parseVirtualTokenConfig(fields);
  const { length } = config;
  const layers = config.numLayers ?? base.numLayers;
  const width = config.tokenDim ?? base.dModel;
  expectEqual('token_dim', width, innerWidth(base), 'num_heads * d_kv');
  expectEqual('num_attention_heads', config.numHeads ?? base.numHeads, base.numHeads, 'num_heads');
  expectEqual('num_transformer_submodules', config.submodules ?? 2, 2, 'two stacks');
  if (layers < base.numDecoderLayers) {
    throw new HypertuneError('ADAPTER_MISMATCH', `num_layers is ${layers}; the base model has ${base.numDecoderLayers} decoder layers.`, {
      field: 'num_layers',
    });
  }
  const table = await readTable(file, [length, 2 * layers * width]);
  const block = (j: number): Float32Array => {
    const rows = new Float32Array(length * width);
    for (let row = 0; row < length; row++) {
      const start = (row * 2 * layers + j) * width;
      rows.set(table.subarray(start, start + width), row * width);
    }
    return rows;
  };
  const sites: PrefixSite[] = [];
  for (let layer = 0; layer < base.numDecoderLayers; layer++) {
    const j = keyBlock(layer, layers);
    sites.push({ stack: 'decoder', block: layer, site: 'self', k: block(j), v: block(j + 1) });
  }
  return { kind: 'prefix', length, biasPolicy: 'preceding', sites, config: fields.raw };
}

function expectEqual(field: string, value: number, expected: number, what: string): void {
  if (value !== expected) {
    throw new HypertuneError('ADAPTER_MISMATCH', `${field} is ${value}; the base model has ${expected} (${what}).`, { field });
  }
}

/**
 * Why PEFT has no file for this prefix, or undefined where it has one: all decoder layers, only their self-attention,
 * bias policy `preceding`.
 */
export function prefixExportObstacle(file: PrefixFile, base: T5Config): string | undefined {
  if (file.biasPolicy !== 'preceding') return `bias policy ${file.biasPolicy}`;
  if (file.sites.some(({ stack, site }) => stack !== 'decoder' || site !== 'self')) return 'a site other than decoder self-attention';
  if (file.sites.length !== base.numDecoderLayers) return 'a decoder layer without prefix';
  return undefined;
}

/**
 * A PREFIX_TUNING configuration and its table. `num_layers` is the encoder's where the layers share prefixes as that
 * implies; otherwise it is the next odd number, with which every decoder layer gets rows of its own. `token_dim` is
 * heads * head width, which PEFT needs where that is not d_model. Throws CONFIG_UNSUPPORTED: see `prefixExportObstacle`.
 */
export function exportPrefix(file: PrefixFile, base: T5Config, baseModelName?: string): { config: JsonObject; tensors: TensorData[] } {
  const obstacle = prefixExportObstacle(file, base);
  if (obstacle !== undefined) throw unsupportedExport(`PEFT cannot hold a prefix with ${obstacle}.`, 'sites');
  const width = innerWidth(base);
  const sites = [...file.sites].sort((x, y) => x.block - y.block);
  const decoderLayers = base.numDecoderLayers;
  const canonical = base.numLayers >= decoderLayers && layersShare(sites, base.numLayers);
  const layers = canonical ? base.numLayers : decoderLayers + ((decoderLayers + 1) % 2);

  const table = new Float32Array(file.length * 2 * layers * width);
  const place = (j: number, rows: Float32Array): void => {
    for (let row = 0; row < file.length; row++) {
      table.set(rows.subarray(row * width, (row + 1) * width), (row * 2 * layers + j) * width);
    }
  };
  sites.forEach(({ k, v }, layer) => {
    const j = keyBlock(layer, layers);
    place(j, k);
    place(j + 1, v);
  });
  const config = {
    ...peftBase('PREFIX_TUNING', baseModelName),
    encoder_hidden_size: null,
    num_attention_heads: base.numHeads,
    num_layers: layers,
    num_transformer_submodules: 2,
    num_virtual_tokens: file.length,
    prefix_projection: false,
    token_dim: width,
  };
  return { config, tensors: [float32Tensor(TABLE, [file.length, 2 * layers * width], table)] };
}

function layersShare(sites: readonly PrefixSite[], layers: number): boolean {
  const first = new Map<number, PrefixSite>();
  return sites.every((site, layer) => {
    const j = keyBlock(layer, layers);
    const other = first.get(j) ?? site;
    first.set(j, other);
    return other === site || (sameValues(other.k, site.k) && sameValues(other.v, site.v));
  });
}

function sameValues(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, i) => Object.is(value, b[i]));
}
