import { HypertuneError } from '../engine/errors.ts';
import { NODE_FS, atomicWrite } from './atomic.ts';
import type { AtomicFs } from './atomic.ts';
import { DTYPE_BYTES } from './dtypes.ts';
import type { Dtype } from './dtypes.ts';
import { quote } from './json.ts';
import { MAX_HEADER_BYTES } from './safetensors-header.ts';

/** A tensor to save. `data` may be a function, called when its turn comes, so that a model need not be in memory whole. */
export interface TensorData {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  data: ArrayBufferView | (() => Promise<ArrayBufferView>);
}

export interface SafetensorsWriteOptions {
  /** Default `{ format: 'pt' }`, as Hugging Face libraries write and PEFT demands. */
  metadata?: Record<string, string>;
  fs?: AtomicFs;
}

const DTYPE_ORDER = Object.keys(DTYPE_BYTES);

/**
 * Saves tensors as the Python library does, byte for byte: widest dtype first, then by name; header padded with spaces to
 * a multiple of 8. The file appears whole or not at all (`atomicWrite`).
 * Throws ARGUMENT_INVALID (a name twice, data that does not fit its shape) or FILE_IO.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorData[],
  { metadata = { format: 'pt' }, fs = NODE_FS }: SafetensorsWriteOptions = {},
): Promise<void> {
  const sorted = sortTensors(tensors);
  const header = encodeHeader(sorted, metadata);
  await atomicWrite(path, chunks(header, sorted), fs);
}

/** F32 values as a tensor to save. Node runs on little-endian machines only, as the file is. */
export function float32Tensor(name: string, shape: readonly number[], values: Float32Array): TensorData {
  return { name, dtype: 'F32', shape, data: values };
}

async function* chunks(header: Uint8Array, tensors: TensorData[]): AsyncGenerator<Uint8Array> {
  yield header;
  for (const tensor of tensors) {
    const view = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
    if (view.byteLength !== byteLengthOf(tensor)) {
      throw new HypertuneError(
        'ARGUMENT_INVALID',
        `${quote(tensor.name)}, ${tensor.dtype} [${tensor.shape.join(', ')}], takes ${byteLengthOf(tensor)} bytes but got ${view.byteLength}.`,
        { field: tensor.name },
      );
    }
    yield new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
}

function sortTensors(tensors: readonly TensorData[]): TensorData[] {
  const seen = new Set<string>();
  for (const { name } of tensors) {
    if (seen.has(name) || name === '__metadata__' || /\p{Surrogate}/u.test(name)) {
      throw new HypertuneError('ARGUMENT_INVALID', `${quote(name)} is no unique, valid tensor name.`, { field: name });
    }
    seen.add(name);
  }
  // Names compare as UTF-8 bytes, which differs from JavaScript's order beyond the basic plane.
  const keyed = tensors.map((tensor) => ({ tensor, rank: DTYPE_ORDER.indexOf(tensor.dtype), name: Buffer.from(tensor.name) }));
  keyed.sort((x, y) => y.rank - x.rank || Buffer.compare(x.name, y.name));
  return keyed.map(({ tensor }) => tensor);
}

function encodeHeader(tensors: readonly TensorData[], metadata: Record<string, string>): Uint8Array {
  const fields = [`"__metadata__":${JSON.stringify(metadata)}`];
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + byteLengthOf(tensor);
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(entry)}`);
    offset = end;
  }
  if (Object.keys(metadata).length === 0) fields.shift();
  const json = Buffer.from(`{${fields.join(',')}}`);
  const length = Math.ceil(json.byteLength / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new HypertuneError('ARGUMENT_RANGE', `A header of ${length} bytes is beyond the format's ${MAX_HEADER_BYTES}.`);
  }
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

function byteLengthOf(tensor: TensorData): number {
  const bytes = tensor.shape.reduce((n, d) => n * d, DTYPE_BYTES[tensor.dtype]);
  if (!Number.isSafeInteger(bytes) || !tensor.shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new HypertuneError('ARGUMENT_INVALID', `${quote(tensor.name)} has shape [${tensor.shape.join(', ')}].`, {
      field: tensor.name,
    });
  }
  return bytes;
}
