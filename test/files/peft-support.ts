import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors } from '../../lib/files/safetensors.ts';
import { writeSafetensors } from '../../lib/files/safetensors-write.ts';
import type { TensorData } from '../../lib/files/safetensors-write.ts';
import { readT5Config } from '../../lib/files/t5-config-file.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import type { JsonObject } from '../../lib/t5/fields.ts';
import { FIXTURES, temporaryFolder } from './support.ts';

export const peftFixture = (name: string): string => join(FIXTURES, `peft-${name}`);

export const baseOf = (name: string): Promise<T5Config> => readT5Config(join(peftFixture(name), 'base.json'));

export interface Changes {
  /** Fields to set; undefined removes one. */
  config?: JsonObject;
  /** Tensors to alter or add; undefined leaves one out. */
  tensors?: Record<string, Partial<TensorData> | undefined>;
}

/** A copy of a fixture folder with its configuration or tensors changed. */
export async function alteredPeft(name: string, { config, tensors }: Changes): Promise<string> {
  const dir = await temporaryFolder();
  await cp(peftFixture(name), dir, { recursive: true });
  if (config) await changeJson(join(dir, 'adapter_config.json'), config);
  if (tensors) await changeTensors(join(dir, 'adapter_model.safetensors'), tensors);
  return dir;
}

export async function changeJson(path: string, changes: JsonObject): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as JsonObject;
  await writeFile(path, JSON.stringify({ ...json, ...changes }));
}

export async function changeTensors(path: string, changes: NonNullable<Changes['tensors']>): Promise<void> {
  const file = await openSafetensors(path);
  const tensors = new Map<string, TensorData>();
  for (const { name, dtype, shape } of file.tensors.values()) {
    tensors.set(name, { name, dtype, shape, data: await file.read(name) });
  }
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) tensors.delete(name);
    else tensors.set(name, { ...tensors.get(name)!, ...change, name });
  }
  await writeSafetensors(path, [...tensors.values()]);
}
