import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import type { JsonObject } from '../t5/fields.ts';
import { NODE_FS, atomicWriteJson, syncFolder } from './atomic.ts';
import type { AtomicFs } from './atomic.ts';
import { fileError } from './io.ts';
import { decodeUtf8, parseJson, sortKeys } from './json.ts';
import { exists } from './pickle.ts';
import { openSafetensors } from './safetensors.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { writeSafetensors } from './safetensors-write.ts';
import type { TensorData } from './safetensors-write.ts';

/** The two files of an adapter folder, which only mean something together. */
export interface AdapterFormat {
  configName: string;
  tensorsName: string;
}

export const PEFT_FORMAT: AdapterFormat = { configName: 'adapter_config.json', tensorsName: 'adapter_model.safetensors' };
export const HYPERTUNE_FORMAT: AdapterFormat = { configName: 'hypertune_config.json', tensorsName: 'hypertune_adapter.safetensors' };

const PENDING = '.pending';

/*
 * Two files cannot be renamed at once, so a save goes: pending configuration, pending tensors (each complete and synced
 * when it appears), configuration renamed, tensors renamed. Of the states that a crash can leave, only the one between
 * the two renames mixes old and new, and it alone has pending tensors without a pending configuration. A reader that
 * finds it takes the pending tensors, which belong to the configuration beside them.
 */

/**
 * Saves an adapter over whatever the folder held; a crash at any point leaves the old adapter or the new one. One process
 * may save into a folder at a time. Throws FILE_IO, or ARGUMENT_INVALID where the folder holds the other format.
 */
export async function writePair(
  dir: string,
  format: AdapterFormat,
  config: JsonObject,
  tensors: readonly TensorData[],
  fs: AtomicFs = NODE_FS,
): Promise<void> {
  const other = format === PEFT_FORMAT ? HYPERTUNE_FORMAT : PEFT_FORMAT;
  if (await exists(join(dir, other.configName))) {
    throw new HypertuneError('ARGUMENT_INVALID', `${dir} holds an adapter in another format (${other.configName}).`, {
      field: dir,
      remedy: 'Save into another folder, or delete that adapter first.',
    });
  }
  const configPath = join(dir, format.configName);
  const tensorsPath = join(dir, format.tensorsName);
  try {
    await mkdir(dir, { recursive: true });
    await finishPair(dir, format, fs);
    await atomicWriteJson(configPath + PENDING, sortKeys(config), fs);
    await writeSafetensors(tensorsPath + PENDING, tensors, { fs });
    await fs.rename(configPath + PENDING, configPath);
    await fs.rename(tensorsPath + PENDING, tensorsPath);
    await syncFolder(dir, fs);
  } catch (cause) {
    throw fileError(cause, dir, 'write');
  }
}

/** Ends a save that a crash stopped between its renames, so that the next one starts from a whole pair. */
async function finishPair(dir: string, format: AdapterFormat, fs: AtomicFs): Promise<void> {
  if (!(await isBetweenRenames(dir, format))) return;
  await fs.rename(join(dir, format.tensorsName + PENDING), join(dir, format.tensorsName));
}

async function isBetweenRenames(dir: string, { configName, tensorsName }: AdapterFormat): Promise<boolean> {
  return (await exists(join(dir, tensorsName + PENDING))) && !(await exists(join(dir, configName + PENDING)));
}

/**
 * Opens both files of a pair and hands them to `use`. Throws FILE_IO where a save replaced them meanwhile, else what the
 * readers of the two files throw.
 */
export async function readPair<T>(
  dir: string,
  format: AdapterFormat,
  use: (config: unknown, file: SafetensorsFile) => Promise<T>,
): Promise<T> {
  const configPath = join(dir, format.configName);
  const text = await readText(configPath);
  const tensorsName = (await isBetweenRenames(dir, format)) ? format.tensorsName + PENDING : format.tensorsName;
  const result = await use(parseJson(text, configPath), await openSafetensors(join(dir, tensorsName)));
  if ((await readText(configPath)) !== text) {
    throw new HypertuneError('FILE_IO', `${dir} was saved over while it was read.`, { field: dir, remedy: 'Load it again.' });
  }
  return result;
}

async function readText(path: string): Promise<string> {
  try {
    return decodeUtf8(await readFile(path), path);
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
}
