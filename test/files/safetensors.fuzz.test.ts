import { expect, test } from 'vitest';
import { HypertuneError } from '../../lib/engine/errors.ts';
import { DTYPE_BYTES } from '../../lib/files/dtypes.ts';
import type { Dtype } from '../../lib/files/dtypes.ts';
import { parseSafetensorsHeader } from '../../lib/files/safetensors-header.ts';
import { safetensorsBytes, seeded } from './support.ts';

type Entry = Record<string, unknown>;
type Header = Record<string, Entry>;
type Random = () => number;

const DTYPES = Object.keys(DTYPE_BYTES) as Dtype[];
const ODD_NUMBERS = [0, -1, 1, 2, 0.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -0];
const ODD_VALUES = [null, true, '', 'F32', [], {}, [[]], '__proto__', ...ODD_NUMBERS];

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)];

/** A valid header and the number of bytes its tensors take. */
function validHeader(random: Random): { header: Header; dataBytes: number } {
  const header: Header = {};
  if (random() < 0.7) header.__metadata__ = { format: 'pt' };
  let offset = 0;
  const count = 1 + Math.floor(random() * 5);
  for (let i = 0; i < count; i++) {
    const dtype = pick(random, DTYPES);
    const shape = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * 5));
    const bytes = shape.reduce((n, d) => n * d, DTYPE_BYTES[dtype]);
    header[`layer.${i}.weight`] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  return { header, dataBytes: offset };
}

/** Mutations that keep the header valid JSON and hit what the reader has to check. */
const structural: ((header: Header, random: Random) => void)[] = [
  (header, random) => { tensor(header, random).dtype = pick(random, [...DTYPES, 'F7', 'f32', 'toString']); },
  (header, random) => { (tensor(header, random).shape as unknown[]).push(pick(random, ODD_NUMBERS)); },
  (header, random) => { (tensor(header, random).shape as unknown[])[0] = pick(random, ODD_VALUES); },
  (header, random) => { (tensor(header, random).data_offsets as unknown[])[random() < 0.5 ? 0 : 1] = pick(random, ODD_VALUES); },
  (header, random) => {
    const offsets = tensor(header, random).data_offsets as number[];
    const shift = pick(random, [-8, -1, 1, 4, 8]);
    offsets[0] += shift;
    offsets[1] += shift;
  },
  (header, random) => { tensor(header, random)[pick(random, ['dtype', 'shape', 'data_offsets', 'extra'])] = pick(random, ODD_VALUES); },
  (header, random) => { delete tensor(header, random)[pick(random, ['dtype', 'shape', 'data_offsets'])]; },
  (header, random) => { delete header[pick(random, Object.keys(header))]; },
  (header, random) => { header[pick(random, ['copy', '__metadata__', 'layer.0.weight'])] = structuredClone(tensor(header, random)); },
  (header, random) => { header.__metadata__ = pick(random, ODD_VALUES) as unknown as Entry; },
  (header, random) => { (tensor(header, random).shape as unknown[]).reverse(); },
];

function tensor(header: Header, random: Random): Entry {
  const name = pick(random, Object.keys(header).filter((key) => key !== '__metadata__'));
  return header[name];
}

/** Mutations of the finished bytes: most break the JSON, the length or the end of the file. */
function corrupt(bytes: Uint8Array, random: Random): Uint8Array {
  const at = Math.floor(random() * bytes.byteLength);
  const kind = random();
  if (kind < 0.3) return bytes.slice(0, at);
  const out = bytes.slice();
  if (kind < 0.6) out[at] ^= 1 << Math.floor(random() * 8);
  else if (kind < 0.8) out[Math.floor(random() * 8)] = Math.floor(random() * 256);
  else out.copyWithin(at, Math.floor(random() * bytes.byteLength), bytes.byteLength);
  return out;
}

function headerIsJson(bytes: Uint8Array): boolean {
  if (bytes.byteLength < 8) return false;
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  if (length > BigInt(bytes.byteLength - 8)) return false;
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + Number(length))));
    return true;
  } catch {
    return false;
  }
}

/** What an accepted header promises to the code that maps the tensors, recomputed from scratch. */
function expectSound(bytes: Uint8Array): void {
  const { tensors, dataOffset } = parseSafetensorsHeader(bytes, bytes.byteLength);
  let covered = 0;
  for (const t of tensors.values()) {
    expect(t.byteOffset).toBeGreaterThanOrEqual(dataOffset);
    expect(t.byteOffset + t.byteLength).toBeLessThanOrEqual(bytes.byteLength);
    expect(t.byteLength).toBe(t.shape.reduce((n, d) => n * d, DTYPE_BYTES[t.dtype]));
    covered += t.byteLength;
  }
  expect(dataOffset + covered).toBe(bytes.byteLength);
}

test('6000 mutants of valid headers: each is sound or refused with a typed error', () => {
  const random = seeded(20240607);
  const mutants = 6000;
  const codes = new Map<string, number>();
  let json = 0;
  let accepted = 0;
  for (let i = 0; i < mutants; i++) {
    const { header, dataBytes } = validHeader(random);
    const rounds = i % 3;
    for (let r = 0; r < rounds && Object.keys(header).some((key) => key !== '__metadata__'); r++) {
      try {
        pick(random, structural)(header, random);
      } catch (error) {
        // A second mutation may meet what the first one put in place of a list.
        if (!(error instanceof TypeError)) throw error;
      }
    }
    let bytes = safetensorsBytes(JSON.stringify(header), new Uint8Array(dataBytes));
    if (i % 2 === 0) bytes = corrupt(bytes, random);
    if (headerIsJson(bytes)) json++;
    try {
      expectSound(bytes);
      accepted++;
    } catch (error) {
      if (!(error instanceof HypertuneError)) throw error;
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
  }
  // Mutants that never reach the checks behind the JSON parser would test only that parser.
  expect(json).toBeGreaterThan(0.2 * mutants);
  expect(accepted).toBeGreaterThan(0.1 * mutants);
  expect(accepted).toBeLessThan(0.6 * mutants);
  for (const code of ['FILE_FORMAT', 'FILE_TRUNCATED', 'TENSOR_DTYPE', 'TENSOR_SHAPE', 'TENSOR_RANGE']) {
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(100);
  }
  expect(codes.size).toBe(5);
});
