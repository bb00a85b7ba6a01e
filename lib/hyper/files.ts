/** Hypermodel folders: hyper_config.json and hypermodel.safetensors. */
import path from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { atomicWriteJson } from '../files/atomic.ts';
import { makeFolder } from '../files/io.ts';
import { readJson } from '../files/json.ts';
import { loadTensors, parameterTensors } from '../files/load-t5.ts';
import { openSafetensors } from '../files/safetensors.ts';
import { writeSafetensors } from '../files/safetensors-write.ts';
import type { FloatType } from '../graph/index.ts';
import type { T5Config } from '../t5/config.ts';
import { parseHyperConfig, serializeHyperConfig } from './config.ts';
import { allocateHypermodel } from './hypermodel.ts';
import type { Hypermodel } from './hypermodel.ts';

const CONFIG_FILE = 'hyper_config.json';
const TENSOR_FILE = 'hypermodel.safetensors';

export async function saveHypermodel(dir: string, hyper: Hypermodel, dtype: 'F32' | 'BF16'): Promise<void> {
  await makeFolder(dir);
  await writeSafetensors(path.join(dir, TENSOR_FILE), parameterTensors(hyper.parameters, dtype));
  await atomicWriteJson(path.join(dir, CONFIG_FILE), serializeHyperConfig(hyper.config));
}

/** Throws TENSOR_MISSING, TENSOR_UNEXPECTED, TENSOR_SHAPE or TENSOR_DTYPE where the tensors do not fit configuration and base. */
export async function loadHypermodel(engine: Engine, dir: string, base: T5Config, { frozen = true, dtype = 'f32' }: { frozen?: boolean; dtype?: FloatType } = {}): Promise<Hypermodel> {
  const config = parseHyperConfig(await readJson(path.join(dir, CONFIG_FILE)), path.join(dir, CONFIG_FILE));
  const file = await openSafetensors(path.join(dir, TENSOR_FILE));
  const hyper = allocateHypermodel(engine, config, base, frozen, dtype);
  try {
    for (const name of file.tensors.keys()) {
      if (!hyper.parameters.has(name)) throw new HypertuneError('TENSOR_UNEXPECTED', `${file.path} holds ${name}, which this hypermodel does not have.`, { field: name });
    }
    for (const { name, shape } of hyper.parameters.all()) {
      const tensor = file.tensors.get(name);
      if (!tensor) throw new HypertuneError('TENSOR_MISSING', `${file.path} has no ${name}.`, { field: name, remedy: 'Save the hypermodel again, or take the base model it was trained for.' });
      if (tensor.shape.join() !== shape.join()) throw new HypertuneError('TENSOR_SHAPE', `${name} is [${tensor.shape.join(', ')}] in ${file.path}; the base model asks for [${shape.join(', ')}].`, { field: name });
      if (!['F32', 'F16', 'BF16'].includes(tensor.dtype)) throw new HypertuneError('TENSOR_DTYPE', `${name} is ${tensor.dtype} in ${file.path}.`, { field: name, remedy: 'Store it as F32, F16 or BF16.' });
    }
    await loadTensors(engine, hyper.parameters, file.tensors);
  } catch (error) {
    hyper.parameters.dispose();
    throw error;
  }
  return hyper;
}
