/** T5 folders as Hugging Face writes them <-> parameters on an engine. */
import path from 'node:path';
import type { Engine, FileTensor } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import { parseT5Config } from '../t5/config.ts';
import type { Parameters, WeightType } from '../t5/parameters.ts';
import { allocateT5 } from '../t5/parameters.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { GenerationConfig } from './generation-config.ts';
import { parseGenerationConfig } from './generation-config.ts';
import { makeFolder } from './io.ts';
import { readJson } from './json.ts';
import type { TensorLocation } from './safetensors.ts';
import { writeT5Config } from './t5-config-file.ts';
import type { TensorData } from './safetensors-write.ts';
import { writeSafetensors } from './safetensors-write.ts';
import { toBfloat16 } from './dtypes.ts';
import { checkCheckpoint } from './t5-checkpoint.ts';

export interface LoadedT5 {
  config: T5Config;
  parameters: Parameters;
  generation: GenerationConfig;
  /** Tensors of the checkpoint that the model does not read. */
  ignored: string[];
}

export interface LoadT5Options {
  /** Type of the matrices in memory; absent: bf16 where the checkpoint stores 16-bit floats, else f32. `int8`: what is no linear stays so. */
  dtype?: WeightType;
  /** Frozen weights (the default) may share memory with other engines; others can be trained. */
  frozen?: boolean;
  /** Called after each tensor. */
  onProgress?: (done: number, total: number) => void;
}

const TYPES: readonly WeightType[] = ['f32', 'bf16', 'int8'];

/** Copies tensors of a file into buffers, converting their types; the engine takes them one after the other. Throws for the first that fails, when all have ended. */
export async function loadTensors(engine: Engine, parameters: Parameters, tensors: ReadonlyMap<string, TensorLocation>, each?: () => void): Promise<void> {
  const ends = await Promise.allSettled([...tensors].map(([name, from]) => loadTensor(engine, parameters, name, from).then(each)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

function loadTensor(engine: Engine, parameters: Parameters, name: string, from: TensorLocation): Promise<void> {
  const { buffer, scale } = parameters.get(name);
  const tensor = from as TensorLocation & FileTensor;
  return scale ? engine.loadInt8(buffer, scale, tensor) : engine.load(buffer, tensor);
}

export async function loadT5(engine: Engine, dir: string, options: LoadT5Options = {}): Promise<LoadedT5> {
  if (options.dtype !== undefined && !TYPES.includes(options.dtype)) {
    throw new HypertuneError('ARGUMENT_INVALID', `'${String(options.dtype)}' is not a type of weights.`, { field: 'dtype', remedy: `Use one of ${TYPES.join(', ')}.` });
  }
  const parsed = parseT5Config(await readJson(path.join(dir, 'config.json')), path.join(dir, 'config.json'));
  const checkpoint = await openCheckpoint(dir);
  const { config, tensors, ignored } = await checkCheckpoint(parsed, checkpoint);
  const generation = await loadGenerationConfig(dir, config);
  const half = tensors.get('shared.weight')!.dtype !== 'F32';
  const natural = half ? 'bf16' : 'f32', int8 = options.dtype === 'int8';
  const parameters = allocateT5(engine, config, options.dtype === 'int8' ? natural : (options.dtype ?? natural), options.frozen ?? true, int8);
  try {
    let done = 0;
    await loadTensors(engine, parameters, tensors, () => options.onProgress?.(++done, tensors.size));
    await loadTensors(engine, parameters, new Map(parameters.all().flatMap(({ name, copyOf }) => (copyOf ? [[name, tensors.get(copyOf)!]] : []))));
  } catch (error) {
    parameters.dispose();
    throw error;
  }
  return { config, parameters, generation, ignored };
}

/** generation_config.json, or what config.json says where there is none. */
async function loadGenerationConfig(dir: string, config: T5Config): Promise<GenerationConfig> {
  const file = path.join(dir, 'generation_config.json');
  try {
    return parseGenerationConfig(await readJson(file), config.vocabSize, file);
  } catch (error) {
    if (!(error instanceof HypertuneError) || error.code !== 'FILE_NOT_FOUND') throw error;
    return parseGenerationConfig(
      { decoder_start_token_id: config.decoderStartTokenId, pad_token_id: config.padTokenId, eos_token_id: config.eosTokenIds },
      config.vocabSize, file,
    );
  }
}

/** Writes config.json and model.safetensors; `dtype` is the type in the file. */
export async function saveT5(dir: string, config: T5Config, parameters: Parameters, dtype: 'F32' | 'BF16' = 'F32'): Promise<void> {
  await makeFolder(dir);
  await writeSafetensors(path.join(dir, 'model.safetensors'), parameterTensors(parameters, dtype));
  await writeT5Config(path.join(dir, 'config.json'), config);
}

/** Parameters as tensors to save, read from the device one at a time. */
export function parameterTensors(parameters: Parameters, dtype: 'F32' | 'BF16'): TensorData[] {
  return parameters.all().map(({ name, shape, buffer }) => ({
    name, shape, dtype,
    data: async () => {
      const values = Float32Array.from(await parameters.engine.read(buffer));
      return dtype === 'F32' ? values : toBfloat16(values);
    },
  }));
}
