import { join } from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { HYPERTUNE_FORMAT, PEFT_FORMAT, readPair, writePair } from './adapter-folder.ts';
import type { AdapterFile } from './adapter-file.ts';
import type { AtomicFs } from './atomic.ts';
import { checkAdapter } from './check-adapter.ts';
import { exportHypertune, readHypertune } from './hypertune-adapter.ts';
import { parsePeftCommon, unsupportedExport } from './peft-config.ts';
import { exportLora, readLora } from './peft-lora.ts';
import { exportPrefix, prefixExportObstacle, readPrefix } from './peft-prefix.ts';
import { exportPrompt, readPrompt } from './peft-prompt.ts';
import { exists, refusePickle } from './pickle.ts';
import type { SafetensorsFile } from './safetensors.ts';

export type { AdapterFile, CombinedFile, LoraFile, LoraModule, PrefixFile, PrefixSite, PromptFile } from './adapter-file.ts';

export interface AdapterWriteOptions {
  /** The model the adapter is for; its sizes go into the configuration. */
  base: T5Config;
  /** Written as `base_model_name_or_path`, by which Python finds the base. */
  baseModelName?: string;
  fs?: AtomicFs;
}

/**
 * Reads an adapter folder, Hugging Face PEFT (LORA, PROMPT_TUNING, P_TUNING, PREFIX_TUNING) or the own format, and checks
 * it against the base model. Nothing is skipped in silence: an unknown tensor, a missing one, or a configuration field
 * that would change the result is an error that names it.
 * Throws FILE_NOT_FOUND, FILE_FORMAT, FILE_TRUNCATED, FILE_UNSUPPORTED (pickle), CONFIG_INVALID, CONFIG_UNSUPPORTED,
 * ADAPTER_MISMATCH, or a TENSOR_ code.
 */
export async function readAdapterFolder(dir: string, base: T5Config): Promise<AdapterFile> {
  const peft = await exists(join(dir, PEFT_FORMAT.configName));
  const own = await exists(join(dir, HYPERTUNE_FORMAT.configName));
  if (peft && own) {
    throw new HypertuneError('FILE_FORMAT', `${dir} has both ${PEFT_FORMAT.configName} and ${HYPERTUNE_FORMAT.configName}.`, {
      field: dir,
      remedy: 'Delete the adapter that is not wanted.',
    });
  }
  if (!own && !(await hasTensors(dir))) await refusePickle(dir, 'adapter_model.bin');
  const adapter = own
    ? await readPair(dir, HYPERTUNE_FORMAT, (json, file) => readHypertune(json, file, base))
    : await readPair(dir, PEFT_FORMAT, (json, file) => readPeft(json, file, base));
  checkAdapter(adapter, base);
  return adapter;
}

async function hasTensors(dir: string): Promise<boolean> {
  return exists(join(dir, PEFT_FORMAT.tensorsName));
}

async function readPeft(json: unknown, file: SafetensorsFile, base: T5Config): Promise<AdapterFile> {
  const { fields, type } = parsePeftCommon(json);
  if (type === 'LORA') return readLora(fields, file, base);
  return type === 'PREFIX_TUNING' ? readPrefix(fields, file, base) : readPrompt(fields, file, base);
}

/**
 * Saves an adapter: as a PEFT folder where PEFT has a form for it, else in the own format. Returns which.
 * Throws ADAPTER_MISMATCH or a TENSOR_ code (it does not fit the base), FILE_IO, or ARGUMENT_INVALID (the folder holds an
 * adapter in the other format).
 */
export async function writeAdapterFolder(
  dir: string,
  adapter: AdapterFile,
  options: AdapterWriteOptions,
): Promise<'peft' | 'hypertune'> {
  const representable =
    adapter.kind !== 'combined' && (adapter.kind !== 'prefix' || prefixExportObstacle(adapter, options.base) === undefined);
  await (representable ? writePeftFolder : writeHypertuneFolder)(dir, adapter, options);
  return representable ? 'peft' : 'hypertune';
}

/** Saves a PEFT folder that Python loads. Throws CONFIG_UNSUPPORTED where PEFT has no form for the adapter. */
export async function writePeftFolder(dir: string, adapter: AdapterFile, options: AdapterWriteOptions): Promise<void> {
  const { base, baseModelName, fs } = options;
  checkAdapter(adapter, base);
  if (adapter.kind === 'combined') throw unsupportedExport('PEFT holds one kind of adapter per folder.', 'kind');
  const { config, tensors } =
    adapter.kind === 'lora'
      ? exportLora(adapter, base, baseModelName)
      : adapter.kind === 'prompt'
        ? exportPrompt(adapter, base, baseModelName)
        : exportPrefix(adapter, base, baseModelName);
  await writePair(dir, PEFT_FORMAT, config, tensors, fs);
}

/** Saves any adapter in the own format: see `hypertune-adapter.ts`. */
export async function writeHypertuneFolder(dir: string, adapter: AdapterFile, options: AdapterWriteOptions): Promise<void> {
  const { base, baseModelName, fs } = options;
  checkAdapter(adapter, base);
  const { config, tensors } = exportHypertune(adapter, base, baseModelName);
  await writePair(dir, HYPERTUNE_FORMAT, config, tensors, fs);
}
