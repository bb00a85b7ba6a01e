/** The golden models on an engine, and what transformers computes with them. */
import type { Engine } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import type { LoadedT5 } from '../../lib/files/load-t5.ts';
import type { Adaptation } from '../../lib/t5/decoding/index.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import { modelFolder, openGolden, packedError, unpad } from '../goldens/read.ts';

export const FAMILIES = ['t5-v1.0', 't5-v1.1', 'flan', 'mt5', 't5-tied-gated'];

export interface Model extends LoadedT5, AsyncDisposable {
  decoder: T5Decoder;
}

export async function openModel(engine: Engine, name: string, dtype: WeightType = 'f32', adaptation?: Adaptation): Promise<Model> {
  const loaded = await loadT5(engine, modelFolder(name), { dtype });
  const decoder = new T5Decoder(engine, loaded.config, loaded.parameters, adaptation, loaded.generation);
  const close = async () => {
    await decoder.dispose();
    loaded.parameters.dispose();
  };
  return { ...loaded, decoder, [Symbol.asyncDispose]: close };
}

/** [rows, longest, width], zeros behind the end of a row. */
export interface Padded {
  values: Float32Array;
  width: number;
  lengths: Int32Array;
}

/** Rows as they are fed, and transformers' outputs in fp32 and (but for storage variants) in bf16. */
export interface ParityBatch {
  inputs: Int32Array[];
  decoderIds: Int32Array[];
  states: Padded;
  logits: Padded;
  bf16?: { states: Padded; logits: Padded };
}

export async function parityBatch(name: string, batch: string): Promise<ParityBatch> {
  const file = await openGolden(`parity/${name}.safetensors`);
  const lengths = await file.ints(`${batch}.input_lengths`);
  const decoderLengths = await file.ints(`${batch}.decoder_lengths`);
  const rows = async (tensor: string, counts: Int32Array) => unpad(await file.ints(`${batch}.${tensor}`), Math.max(...counts), counts);
  const floats = async (tensor: string, counts: Int32Array): Promise<Padded> => ({
    values: await file.floats(`${batch}.${tensor}`), width: file.shape(`${batch}.${tensor}`)[2], lengths: counts,
  });
  const outputs = async (suffix: string) => ({
    states: await floats(`encoder_states${suffix}`, lengths), logits: await floats(`logits${suffix}`, decoderLengths),
  });
  return {
    inputs: await rows('input_ids', lengths),
    decoderIds: await rows('decoder_input_ids', decoderLengths),
    ...(await outputs('')),
    bf16: file.names().includes(`${batch}.logits_bf16`) ? await outputs('_bf16') : undefined,
  };
}

/** max |got - want| / max |want| for packed `got`. */
export function relativeError(got: Float32Array, want: Padded): number {
  return packedError(got, want.values, Math.max(...want.lengths), want.width, want.lengths);
}

/** The rows of `want`, packed. */
export function packed({ values, width, lengths }: Padded): Float32Array {
  const stride = Math.max(...lengths) * width;
  return Float32Array.from(Array.from(lengths, (n, r) => [...values.subarray(r * stride, r * stride + n * width)]).flat());
}

/** Root of the mean square of a - b. */
export function rmsError(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0) / a.length);
}
