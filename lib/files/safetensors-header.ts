import { HypertuneError } from '../engine/errors.ts';
import { DTYPE_BYTES, isDtype } from './dtypes.ts';
import type { Dtype } from './dtypes.ts';
import { decodeUtf8, parseJson, quote } from './json.ts';

/** One tensor of a safetensors file: everything that is needed to map its bytes. */
export interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** From the start of the file. */
  byteOffset: number;
  byteLength: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, TensorEntry>;
  metadata: Record<string, string>;
  /** Where the tensors' bytes begin: 8 + header length. */
  dataOffset: number;
}

/** The format's own cap, so that a hostile length cannot make a reader allocate. */
export const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

/**
 * Length of the JSON header, from the first 8 bytes of a file (little-endian u64).
 * Throws FILE_TRUNCATED where the file ends before the header does, FILE_FORMAT where the length is absurd.
 */
export function readHeaderLength(prefix: Uint8Array, fileSize: number, source: string): number {
  if (prefix.byteLength < LENGTH_BYTES || fileSize < LENGTH_BYTES) {
    throw new HypertuneError('FILE_TRUNCATED', `${source} has ${fileSize} bytes, fewer than a safetensors header.`, {
      field: source,
    });
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new HypertuneError('FILE_FORMAT', `${source} announces a header of ${length} bytes; it is no safetensors file.`, {
      field: source,
    });
  }
  if (Number(length) > fileSize - LENGTH_BYTES) {
    throw new HypertuneError(
      'FILE_TRUNCATED',
      `${source} has ${fileSize} bytes, fewer than its header of ${length} bytes needs.`,
      { field: source, remedy: 'Fetch or save the file again.' },
    );
  }
  return Number(length);
}

/**
 * Parses the header of a safetensors file and checks all of it: UTF-8, JSON, unique keys, dtypes, shapes, and that the
 * tensors cover the rest of the file exactly, with neither overlap nor hole.
 * @param bytes the start of the file, at least up to the end of the header
 * @param fileSize size of the whole file
 * Throws FILE_TRUNCATED, FILE_FORMAT, TENSOR_DTYPE, TENSOR_SHAPE or TENSOR_RANGE.
 */
export function parseSafetensorsHeader(
  bytes: Uint8Array,
  fileSize: number,
  source = 'safetensors file',
): SafetensorsHeader {
  const length = readHeaderLength(bytes, Math.min(fileSize, bytes.byteLength), source);
  const dataOffset = LENGTH_BYTES + length;
  if (bytes[LENGTH_BYTES] !== 0x7b || length === 0) throw notObject(source);
  const json = parseJson(decodeUtf8(bytes.subarray(LENGTH_BYTES, dataOffset), source), source);
  if (!isObject(json)) throw notObject(source);

  const metadata = parseMetadata(Object.hasOwn(json, '__metadata__') ? json['__metadata__'] : {}, source);
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(json)) {
    if (name !== '__metadata__') tensors.set(name, parseEntry(name, value, dataOffset, source));
  }
  checkCoverage([...tensors.values()], dataOffset, fileSize, source);
  return { tensors, metadata, dataOffset };
}

function parseMetadata(value: unknown, source: string): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((v) => typeof v === 'string')) {
    throw new HypertuneError('FILE_FORMAT', `${source}: __metadata__ is no map from string to string.`, {
      field: '__metadata__',
    });
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, dataOffset: number, source: string): TensorEntry {
  const tensor = `tensor ${quote(name)}`;
  const field = name.slice(0, 200);
  if (/\p{Surrogate}/u.test(name)) {
    throw new HypertuneError('FILE_FORMAT', `${source}: the name of ${tensor} is not valid Unicode.`, { field });
  }
  if (!isObject(value) || Object.keys(value).some((key) => !['dtype', 'shape', 'data_offsets'].includes(key))) {
    throw new HypertuneError('FILE_FORMAT', `${source}: ${tensor} must have dtype, shape and data_offsets, nothing else.`, {
      field,
    });
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) {
    throw new HypertuneError('TENSOR_DTYPE', `${source}: ${tensor} has dtype ${quote(dtype)}.`, {
      field,
      remedy: `Known dtypes: ${Object.keys(DTYPE_BYTES).join(', ')}.`,
    });
  }
  const byteLength = checkedByteLength(name, shape, DTYPE_BYTES[dtype], source);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw new HypertuneError('TENSOR_RANGE', `${source}: ${tensor} has data_offsets ${quote(offsets)}.`, {
      field,
      remedy: 'They are [begin, end] in bytes after the header.',
    });
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== byteLength) {
    throw new HypertuneError(
      'TENSOR_SHAPE',
      `${source}: ${tensor}, ${dtype} ${quote(shape)}, takes ${byteLength} bytes but spans ${end - begin}.`,
      { field },
    );
  }
  return { name, dtype, shape: shape as number[], byteOffset: dataOffset + begin, byteLength };
}

/** Elements times element size; refuses what does not fit exactly in a double. */
function checkedByteLength(name: string, shape: unknown, elementBytes: number, source: string): number {
  const valid = Array.isArray(shape) && shape.every(isSize);
  // A zero anywhere makes the tensor empty, but must not hide an overflow of the other dimensions from later readers.
  const total = valid ? (shape as number[]).reduce((n, d) => n * Math.max(d, 1), elementBytes) : NaN;
  if (!Number.isSafeInteger(total)) {
    throw new HypertuneError(
      'TENSOR_SHAPE',
      `${source}: tensor ${quote(name)} has shape ${quote(shape)}.`,
      { field: name.slice(0, 200), remedy: 'A shape is a list of non-negative integers whose product can be addressed.' },
    );
  }
  return (shape as number[]).includes(0) ? 0 : total;
}

function checkCoverage(entries: TensorEntry[], dataOffset: number, fileSize: number, source: string): void {
  entries.sort((x, y) => x.byteOffset - y.byteOffset || x.byteLength - y.byteLength);
  let end = dataOffset;
  for (const entry of entries) {
    if (entry.byteOffset !== end) {
      const what = entry.byteOffset < end ? 'overlaps the tensor before it' : `leaves a hole of ${entry.byteOffset - end} bytes`;
      throw new HypertuneError('TENSOR_RANGE', `${source}: tensor ${quote(entry.name)} ${what}.`, {
        field: entry.name,
      });
    }
    end += entry.byteLength;
  }
  if (end > fileSize) {
    const last = entries.find((entry) => entry.byteOffset + entry.byteLength > fileSize)!;
    throw new HypertuneError(
      'FILE_TRUNCATED',
      `${source} has ${fileSize} bytes but its tensors need ${end}; ${quote(last.name)} is cut off.`,
      { field: last.name, remedy: 'Fetch or save the file again.' },
    );
  }
  if (end < fileSize) {
    throw new HypertuneError('TENSOR_RANGE', `${source} has ${fileSize - end} bytes that no tensor claims.`, { field: source });
  }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notObject(source: string): HypertuneError {
  return new HypertuneError('FILE_FORMAT', `${source}: the header is no JSON object; it is no safetensors file.`, {
    field: source,
  });
}
