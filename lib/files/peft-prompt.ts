import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import type { ConfigFields, JsonObject } from '../t5/fields.ts';
import type { PromptFile } from './adapter-file.ts';
import { quote } from './json.ts';
import { parseVirtualTokenConfig, peftBase } from './peft-config.ts';
import type { SafetensorsFile } from './safetensors.ts';
import { float32Tensor } from './safetensors-write.ts';
import type { TensorData } from './safetensors-write.ts';

/** The one tensor of the prompt and prefix types. */
export const TABLE = 'prompt_embeddings';

/**
 * Reads a PROMPT_TUNING (Lester et al. 2021) or P_TUNING folder. The table of an encoder-decoder model has a second half,
 * for the decoder, that PEFT never uses; only the first `num_virtual_tokens` rows are kept.
 */
export async function readPrompt(fields: ConfigFields, file: SafetensorsFile, base: T5Config): Promise<PromptFile> {
  const { length, tokenDim, submodules } = parseVirtualTokenConfig(fields);
  const width = tokenDim ?? base.dModel;
  if (width !== base.dModel) {
    throw new HypertuneError('ADAPTER_MISMATCH', `token_dim is ${width}; the base model has d_model ${base.dModel}.`, { field: 'token_dim' });
  }
  const rows = onlyTable(file)[0];
  const allowed = submodules === undefined ? [length, 2 * length] : [submodules * length];
  if (!allowed.includes(rows)) throw tableShape(file, [allowed[0], width]);
  const table = await readTable(file, [rows, width]);
  return { kind: 'prompt', length, width, embeddings: table.slice(0, length * width), config: fields.raw };
}

/** A table of `length` rows: with one submodule the unused second half need not be written. */
export function exportPrompt(file: PromptFile, base: T5Config, baseModelName?: string): { config: JsonObject; tensors: TensorData[] } {
  const config = {
    ...peftBase('PROMPT_TUNING', baseModelName),
    num_attention_heads: base.numHeads,
    num_layers: base.numLayers,
    num_transformer_submodules: 1,
    num_virtual_tokens: file.length,
    prompt_tuning_init: 'RANDOM',
    prompt_tuning_init_text: null,
    token_dim: file.width,
    tokenizer_kwargs: null,
    tokenizer_name_or_path: null,
  };
  return { config, tensors: [float32Tensor(TABLE, [file.length, file.width], file.embeddings)] };
}

/** The shape of `prompt_embeddings`, which must be the only tensor. */
export function onlyTable(file: SafetensorsFile): readonly number[] {
  const table = file.tensors.get(TABLE);
  if (table === undefined) throw new HypertuneError('TENSOR_MISSING', `${file.path} has no ${TABLE}.`, { field: TABLE });
  for (const name of file.tensors.keys()) {
    if (name !== TABLE) {
      throw new HypertuneError('TENSOR_UNEXPECTED', `${file.path} holds ${quote(name)} beside ${TABLE}.`, { field: name });
    }
  }
  return table.shape;
}

export async function readTable(file: SafetensorsFile, shape: [number, number]): Promise<Float32Array> {
  const found = onlyTable(file);
  if (found.length !== 2 || found[0] !== shape[0] || found[1] !== shape[1]) throw tableShape(file, shape);
  return file.readFloat32(TABLE);
}

function tableShape(file: SafetensorsFile, shape: [number, number]): HypertuneError {
  return new HypertuneError(
    'TENSOR_SHAPE',
    `${TABLE} is [${file.tensors.get(TABLE)!.shape.join(', ')}]; expected [${shape.join(', ')}].`,
    { field: TABLE },
  );
}
