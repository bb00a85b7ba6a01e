import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import { fileError } from './io.ts';
import { quote, readJson } from './json.ts';
import { exists, refusePickle } from './pickle.ts';
import { openSafetensors } from './safetensors.ts';
import type { SafetensorsFile, TensorLocation } from './safetensors.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** The tensors of a model folder, from one file or from shards. */
export interface Checkpoint {
  dir: string;
  files: SafetensorsFile[];
  /** Every tensor with the file it lies in. */
  tensors: ReadonlyMap<string, TensorLocation>;
  /** As `SafetensorsFile.read`. */
  read(name: string): Promise<Uint8Array>;
  readFloat32(name: string): Promise<Float32Array>;
}

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists, and checks all headers.
 * Throws FILE_NOT_FOUND (no folder, no weights, a shard missing), FILE_UNSUPPORTED (pickled weights only),
 * TENSOR_MISSING or TENSOR_UNEXPECTED (index and shards disagree), and what `openSafetensors` throws.
 */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  try {
    await stat(dir);
  } catch (cause) {
    throw fileError(cause, dir, 'read');
  }
  if (await exists(join(dir, SINGLE))) return assemble(dir, [await openSafetensors(join(dir, SINGLE))]);
  if (await exists(join(dir, INDEX))) return openShards(dir);
  await refusePickle(dir, 'pytorch_model.bin');
  throw new HypertuneError('FILE_NOT_FOUND', `${dir} has neither ${SINGLE} nor ${INDEX}.`, {
    field: dir,
    remedy: 'Name the folder of a Hugging Face checkpoint.',
  });
}

async function openShards(dir: string): Promise<Checkpoint> {
  const weightMap = parseWeightMap(await readJson(join(dir, INDEX)));
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of [...new Set(weightMap.values())].sort()) shards.set(shard, await openSafetensors(join(dir, shard)));

  for (const [name, shard] of weightMap) {
    if (!shards.get(shard)!.tensors.has(name)) {
      throw new HypertuneError('TENSOR_MISSING', `${INDEX} says that ${quote(name)} is in ${shard}, but it is not.`, { field: name });
    }
  }
  for (const [shard, file] of shards) {
    for (const name of file.tensors.keys()) {
      const home = weightMap.get(name);
      if (home === shard) continue;
      const why = home === undefined ? `which ${INDEX} does not list` : `which ${INDEX} places in ${home}`;
      throw new HypertuneError('TENSOR_UNEXPECTED', `${shard} holds ${quote(name)}, ${why}.`, { field: name });
    }
  }
  return assemble(dir, [...shards.values()]);
}

function parseWeightMap(index: unknown): Map<string, string> {
  const map = typeof index === 'object' && index !== null && Object.hasOwn(index, 'weight_map')
    ? (index as { weight_map: unknown }).weight_map
    : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map) || Object.keys(map).length === 0) {
    throw new HypertuneError('FILE_FORMAT', `${INDEX} has no weight_map from tensor to shard.`, { field: 'weight_map' });
  }
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [name, shard] of entries) {
    // A shard is a file of this folder: no separators, so no way out of it.
    if (typeof shard !== 'string' || !/^[\w-][\w.-]*\.safetensors$/.test(shard)) {
      throw new HypertuneError('FILE_FORMAT', `${INDEX}: ${quote(name)} lies in ${quote(shard)}, which is no safetensors file name.`, {
        field: name,
      });
    }
  }
  return new Map(entries as [string, string][]);
}

function assemble(dir: string, files: SafetensorsFile[]): Checkpoint {
  const tensors = new Map<string, TensorLocation>();
  const home = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const [name, location] of file.tensors) {
      tensors.set(name, location);
      home.set(name, file);
    }
  }
  const fileOf = (name: string): SafetensorsFile => home.get(name) ?? files[0];
  return {
    dir,
    files,
    tensors,
    read: (name) => fileOf(name).read(name),
    readFloat32: (name) => fileOf(name).readFloat32(name),
  };
}
