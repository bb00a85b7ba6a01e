import { HypertuneError } from '../engine/errors.ts';
import { ConfigFields } from '../t5/fields.ts';
import type { JsonObject } from '../t5/fields.ts';

/** A list of names or one regular expression, as PEFT's `target_modules` takes both. */
export type ModuleSelector = string[] | string;

export interface LoraConfig {
  rank: number;
  alpha: number;
  rslora: boolean;
  /** Pattern to value, in file order: the first that matches a module's path wins. */
  rankPattern: [string, number][];
  alphaPattern: [string, number][];
  targets: ModuleSelector;
  excluded: ModuleSelector;
  /** Block numbers, or undefined for all. The same number counts in both stacks. */
  layers?: number[];
  layersPattern: string[];
}

/** What PROMPT_TUNING, P_TUNING and PREFIX_TUNING share. */
export interface VirtualTokenConfig {
  length: number;
  tokenDim?: number;
  numLayers?: number;
  numHeads?: number;
  submodules?: number;
}

type PeftType = 'LORA' | 'PROMPT_TUNING' | 'P_TUNING' | 'PREFIX_TUNING';

/** LORA fields that change the forward pass or the base, with the values at which they do nothing. */
const LORA_NEUTRAL: Record<string, readonly unknown[]> = {
  use_dora: [false],
  lora_bias: [false],
  fan_in_fan_out: [false],
  use_qalora: [false],
  use_bdlora: [false],
  alora_invocation_tokens: [],
  arrow_config: [],
  layer_replication: [],
  target_parameters: [],
  trainable_token_indices: [],
  loftq_config: [],
  corda_config: [],
  lora_ga_config: [],
  kasa_config: [],
  velora_config: [],
  monteclora_config: [],
};
/** Initialisations that leave the base weights as they are; all others store the adapter against a changed base. */
const SAFE_INIT = [true, false, 'gaussian', 'orthogonal', 'eva', 'mica'];

/** Opens an `adapter_config.json`: type and the fields common to all. CONFIG_UNSUPPORTED names a type that is not read. */
export function parsePeftCommon(json: unknown): { fields: ConfigFields; type: PeftType } {
  const fields = new ConfigFields(json, 'adapter_config.json');
  const type = fields.string('peft_type');
  if (type !== 'LORA' && type !== 'PROMPT_TUNING' && type !== 'P_TUNING' && type !== 'PREFIX_TUNING') {
    throw fields.unsupported('peft_type', 'Supported: LORA, PROMPT_TUNING, P_TUNING, PREFIX_TUNING.');
  }
  fields.optionalString('base_model_name_or_path');
  refuseUnlessEmpty(fields, 'modules_to_save', [], 'Adapters that replace whole modules are not supported.');
  return { fields, type };
}

/** LORA fields; refuses what would make the factors mean something else. Throws CONFIG_INVALID or CONFIG_UNSUPPORTED. */
export function parseLoraConfig(f: ConfigFields): LoraConfig {
  for (const [name, neutral] of Object.entries(LORA_NEUTRAL)) {
    refuseUnlessEmpty(f, name, neutral, 'Save the adapter as plain LoRA.');
  }
  const init = f.get('init_lora_weights') ?? true;
  if (!SAFE_INIT.includes(init as never)) {
    throw f.unsupported(
      'init_lora_weights',
      'It changes the base weights; save with path_initial_model_for_weight_conversion to get a plain LoRA.',
    );
  }
  return {
    rank: f.integer('r', 8, { min: 1, max: 2 ** 20 }),
    alpha: f.number('lora_alpha', 8),
    rslora: f.boolean('use_rslora', false),
    rankPattern: parsePatterns(f, 'rank_pattern', (value) => Number.isSafeInteger(value) && (value as number) >= 1),
    alphaPattern: parsePatterns(f, 'alpha_pattern', Number.isFinite),
    // What PEFT fills in for t5 and mt5.
    targets: parseSelector(f, 'target_modules') ?? ['q', 'v'],
    excluded: parseSelector(f, 'exclude_modules') ?? [],
    layers: parseLayers(f),
    layersPattern: toList(parseSelector(f, 'layers_pattern') ?? []),
  };
}

export function parseVirtualTokenConfig(f: ConfigFields): VirtualTokenConfig {
  const count = { min: 1, max: 2 ** 24 };
  return {
    length: f.integer('num_virtual_tokens', undefined, count),
    tokenDim: f.optionalInteger('token_dim', count),
    numLayers: f.optionalInteger('num_layers', count),
    numHeads: f.optionalInteger('num_attention_heads', count),
    submodules: f.optionalInteger('num_transformer_submodules', { min: 1, max: 2 }),
  };
}

function refuseUnlessEmpty(f: ConfigFields, name: string, neutral: readonly unknown[], remedy: string): void {
  const value = f.get(name);
  const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  if (value !== undefined && !empty && !neutral.includes(value)) throw f.unsupported(name, remedy);
}

function parseSelector(f: ConfigFields, name: string): ModuleSelector | undefined {
  const value = f.get(name);
  if (value === undefined || typeof value === 'string') return value;
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    throw f.invalid(name, 'a list of strings or one pattern');
  }
  return value;
}

function parseLayers(f: ConfigFields): number[] | undefined {
  const layers = f.ids('layers_to_transform', 2 ** 20);
  return layers?.length === 0 ? undefined : layers;
}

function parsePatterns(f: ConfigFields, name: string, valid: (value: unknown) => boolean): [string, number][] {
  const value = f.get(name);
  if (value === undefined) return [];
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value as JsonObject) : undefined;
  if (entries === undefined || !entries.every(([, number]) => valid(number))) {
    throw f.invalid(name, 'a map from pattern to number');
  }
  return entries as [string, number][];
}

function toList(value: string | string[]): string[] {
  if (Array.isArray(value)) return value;
  return value === '' ? [] : [value];
}

/** The fields that every exported configuration starts from. */
export function peftBase(peftType: PeftType, baseModelName: string | undefined): JsonObject {
  return {
    auto_mapping: null,
    base_model_name_or_path: baseModelName ?? null,
    inference_mode: true,
    modules_to_save: null,
    peft_type: peftType,
    revision: null,
    task_type: 'SEQ_2_SEQ_LM',
  };
}

export function unsupportedExport(message: string, field: string): HypertuneError {
  return new HypertuneError('CONFIG_UNSUPPORTED', message, {
    field,
    remedy: 'Save it in the own format: writeHypertuneFolder.',
  });
}
