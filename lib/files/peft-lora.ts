import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import type { ConfigFields, JsonObject } from '../t5/fields.ts';
import type { LoraFile, LoraModule } from './adapter-file.ts';
import { quote } from './json.ts';
import { parseLoraConfig, peftBase } from './peft-config.ts';
import { CONFIG_BUDGET, patternValue, targetTest } from './peft-targets.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { float32Tensor } from './safetensors-write.ts';
import type { TensorData } from './safetensors-write.ts';
import { t5Linears } from './t5-linears.ts';
import type { T5Linear } from './t5-linears.ts';

const PREFIX = 'base_model.model.';
/** The sequence-classification wrapper nests the model one level deeper. */
const NESTED = 'transformer.';
/** Modules outside the blocks that PEFT could put factors on. */
const HEADS = ['lm_head', 'shared'];

interface Factors {
  a?: string;
  b?: string;
}

/**
 * Reads the factors of a LORA folder (Hu et al. 2021). The tensors say which modules are adapted; the configuration must
 * agree with them in both directions, in rank and in target. Every factor is checked against the base and converted to F32.
 * Throws TENSOR_UNEXPECTED, TENSOR_MISSING, TENSOR_SHAPE, TENSOR_DTYPE, CONFIG_INVALID or CONFIG_UNSUPPORTED.
 */
export async function readLora(fields: ConfigFields, file: SafetensorsFile, base: T5Config): Promise<LoraFile> {
  const config = parseLoraConfig(fields);
  const budget = { steps: CONFIG_BUDGET };
  const isTarget = targetTest(config, (path) => HEADS.includes(path), budget);
  for (const head of HEADS) {
    if (isTarget(head) || isTarget(NESTED + head)) throw fields.unsupported('target_modules', `LoRA on ${head} is not supported.`);
  }
  const { factors, nesting } = pairFactors(file);
  const linears = t5Linears(base);
  for (const [path, { a, b }] of factors) {
    if (!linears.has(path)) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${quote(a ?? b)} belongs to no linear of the base model.`, { field: a ?? b });
    }
  }

  const rankOf = patternValue(config.rankPattern, 'rank_pattern', config.rank, budget);
  const alphaOf = patternValue(config.alphaPattern, 'alpha_pattern', config.alpha, budget);
  const encoderOnly = fields.get('task_type') !== 'SEQ_2_SEQ_LM' && [...factors.keys()].every((path) => path.startsWith('encoder.'));

  const modules: LoraModule[] = [];
  for (const linear of linears.values()) {
    if (encoderOnly && linear.stack === 'decoder') continue;
    const path = nesting + linear.path;
    const found = factors.get(linear.path);
    checkTarget(isTarget(path), linear.path, found);
    if (found === undefined) continue;
    const rank = rankOf(path);
    const alpha = alphaOf(path);
    const a = await readFactor(file, found.a!, [rank, linear.inFeatures]);
    const b = await readFactor(file, found.b!, [linear.outFeatures, rank]);
    modules.push({ ...linear, rank, alpha, a, b, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) });
  }
  return { kind: 'lora', modules, config: fields.raw };
}

/** Sorts keys `base_model.model.<path>.lora_A.weight` by path; anything else is TENSOR_UNEXPECTED. */
function pairFactors(file: SafetensorsFile): { factors: Map<string, Factors>; nesting: string } {
  const factors = new Map<string, Factors>();
  const nestings = new Set<string>();
  for (const key of file.tensors.keys()) {
    const found = /^base_model\.model\.(transformer\.)?(.+)\.lora_([AB])\.weight$/.exec(key);
    if (!found) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${file.path} holds ${quote(key)}, which is no LoRA factor.`, {
        field: key,
        remedy: `Keys read ${PREFIX}<module path>.lora_A.weight and .lora_B.weight.`,
      });
    }
    nestings.add(found[1] ?? '');
    const factor = factors.get(found[2]) ?? {};
    factor[found[3] === 'A' ? 'a' : 'b'] = key;
    factors.set(found[2], factor);
  }
  if (factors.size === 0) throw new HypertuneError('TENSOR_MISSING', `${file.path} holds no LoRA factor.`, { field: file.path });
  if (nestings.size > 1) {
    throw new HypertuneError('TENSOR_UNEXPECTED', `${file.path} has paths with and without ${quote(NESTED)} in front.`, { field: file.path });
  }
  return { factors, nesting: [...nestings][0] };
}

function checkTarget(targeted: boolean, path: string, found: Factors | undefined): void {
  for (const [letter, key] of [['A', found?.a], ['B', found?.b]] as const) {
    const name = `${PREFIX}${path}.lora_${letter}.weight`;
    if (key === undefined && (targeted || found !== undefined)) {
      const why = found ? 'has only the other factor' : 'is a target of adapter_config.json but has no factors';
      throw new HypertuneError('TENSOR_MISSING', `${path} ${why}.`, { field: name });
    }
    if (key !== undefined && !targeted) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${path} has factors but is no target of adapter_config.json.`, { field: key });
    }
  }
}

async function readFactor(file: SafetensorsFile, key: string, shape: [number, number]): Promise<Float32Array> {
  const found = file.tensors.get(key)!.shape;
  if (found.length !== 2 || found[0] !== shape[0] || found[1] !== shape[1]) {
    throw new HypertuneError('TENSOR_SHAPE', `${key} is [${found.join(', ')}]; expected [${shape.join(', ')}].`, {
      field: key,
      remedy: 'Check that the adapter was made for this base model and that r and rank_pattern are right.',
    });
  }
  return file.readFloat32(key);
}

/**
 * A LORA configuration and its tensors. Ragged ranks and alphas become patterns over complete paths with escaped dots.
 * Where a scale is not alpha / rank for all modules, nor alpha / sqrt(rank) for all, alpha is written as scale * rank.
 */
export function exportLora(file: LoraFile, base: T5Config, baseModelName?: string): { config: JsonObject; tensors: TensorData[] } {
  const { modules } = file;
  const plain = modules.every((m) => m.scale === m.alpha / m.rank);
  const rslora = !plain && modules.every((m) => m.scale === m.alpha / Math.sqrt(m.rank));
  const rank = commonest(modules.map((m) => m.rank));
  const alphas = modules.map((m) => (plain || rslora ? m.alpha : m.scale * m.rank));
  const alpha = commonest(alphas);
  const patternOf = (values: number[], common: number): JsonObject =>
    Object.fromEntries(
      modules.flatMap((m, i) => (values[i] === common ? [] : [[m.path.replaceAll('.', '\\.'), values[i]]])),
    );
  const config = {
    ...peftBase('LORA', baseModelName),
    alpha_pattern: patternOf(alphas, alpha),
    bias: 'none',
    exclude_modules: null,
    fan_in_fan_out: false,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_bias: false,
    lora_dropout: 0,
    r: rank,
    rank_pattern: patternOf(modules.map((m) => m.rank), rank),
    target_modules: targetModules(modules, base),
    use_dora: false,
    use_rslora: rslora,
  };
  const tensors = modules.flatMap((m) => [
    float32Tensor(`${PREFIX}${m.path}.lora_A.weight`, [m.rank, m.inFeatures], m.a),
    float32Tensor(`${PREFIX}${m.path}.lora_B.weight`, [m.outFeatures, m.rank], m.b),
  ]);
  return { config, tensors };
}

/** Short names where the adapter sits on every linear of those names, else the complete paths. */
function targetModules(modules: readonly LoraModule[], base: T5Config): string[] {
  const names = new Set<string>(modules.map((m) => m.name));
  const ofNames = [...t5Linears(base).values()].filter((linear: T5Linear) => names.has(linear.name));
  return (ofNames.length === modules.length ? [...names] : modules.map((m) => m.path)).sort();
}

function commonest(values: number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
