/** Headers of safetensors files: valid ones, and changes that keep them JSON and hit what the reader has to check. */
import type { Random } from '../../lib/data/random.ts';
import { DTYPE_BYTES } from '../../lib/files/dtypes.ts';
import type { Dtype } from '../../lib/files/dtypes.ts';
import { parseSafetensorsHeader } from '../../lib/files/safetensors-header.ts';
import { mutateBytes, mutateJson } from './mutate.ts';

type Entry = Record<string, unknown>;
type Header = Record<string, Entry>;

const DTYPES = Object.keys(DTYPE_BYTES) as Dtype[];
const ODD_NUMBERS = [0, -1, 1, 2, 0.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -0];
const ODD_VALUES = [null, true, '', 'F32', [], {}, [[]], '__proto__', ...ODD_NUMBERS];

/** A valid header and the number of bytes its tensors take. */
function validHeader(random: Random): { header: Header; dataBytes: number } {
  const header: Header = {};
  if (random.chance(0.7)) header.__metadata__ = { format: 'pt' };
  let offset = 0;
  const count = 1 + random.int(5);
  for (let i = 0; i < count; i++) {
    const dtype = random.choice(DTYPES);
    const shape = Array.from({ length: random.int(4) }, () => random.int(5));
    const bytes = shape.reduce((n, d) => n * d, DTYPE_BYTES[dtype]);
    header[`layer.${i}.weight`] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  return { header, dataBytes: offset };
}

/** Mutations that keep the header valid JSON and hit what the reader has to check. */
const structural: ((header: Header, random: Random) => void)[] = [
  (header, random) => { tensor(header, random).dtype = random.choice([...DTYPES, 'F7', 'f32', 'toString']); },
  (header, random) => { (tensor(header, random).shape as unknown[]).push(random.choice(ODD_NUMBERS)); },
  (header, random) => { (tensor(header, random).shape as unknown[])[0] = random.choice(ODD_VALUES); },
  (header, random) => { (tensor(header, random).data_offsets as unknown[])[random.chance(0.5) ? 0 : 1] = random.choice(ODD_VALUES); },
  (header, random) => {
    const offsets = tensor(header, random).data_offsets as number[];
    const shift = random.choice([-8, -1, 1, 4, 8]);
    offsets[0] += shift;
    offsets[1] += shift;
  },
  (header, random) => { tensor(header, random)[random.choice(['dtype', 'shape', 'data_offsets', 'extra'])] = random.choice(ODD_VALUES); },
  (header, random) => { delete tensor(header, random)[random.choice(['dtype', 'shape', 'data_offsets'])]; },
  (header, random) => { delete header[random.choice(Object.keys(header))]; },
  (header, random) => { header[random.choice(['copy', '__metadata__', 'layer.0.weight'])] = structuredClone(tensor(header, random)); },
  (header, random) => { header.__metadata__ = random.choice(ODD_VALUES) as unknown as Entry; },
  (header, random) => { (tensor(header, random).shape as unknown[]).reverse(); },
];

function tensor(header: Header, random: Random): Entry {
  const name = random.choice(Object.keys(header).filter((key) => key !== '__metadata__'));
  return header[name];
}

/** A file with that header; `length` is what it says of its header's size. */
function fileOf(header: unknown, data: Uint8Array, length?: number): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length ?? text.length));
  return Buffer.concat([size, text, data]);
}

export function validSafetensors(random: Random): Uint8Array {
  const { header, dataBytes } = validHeader(random);
  return fileOf(header, new Uint8Array(dataBytes));
}

export function mutateSafetensors(seed: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.3)) return mutateBytes(seed, random);
  const length = Number(Buffer.from(seed).readBigUInt64LE());
  const header = JSON.parse(Buffer.from(seed.subarray(8, 8 + length)).toString()) as Header;
  const data = seed.subarray(8 + length);
  if (random.chance(0.3) || Object.keys(header).every((key) => key === '__metadata__')) return fileOf(mutateJson(header, random), data, random.chance(0.9) ? undefined : random.int(2 * length + 1));
  random.choice(structural)(header, random);
  return fileOf(header, data);
}

/** What an accepted header promises to the code that reads the tensors, computed from scratch. */
export function readSafetensors(bytes: Uint8Array): void {
  const { tensors, dataOffset } = parseSafetensorsHeader(bytes, bytes.byteLength);
  let covered = 0;
  for (const t of tensors.values()) {
    const size = t.shape.reduce((n, d) => n * d, DTYPE_BYTES[t.dtype]);
    if (t.byteLength !== size || t.byteOffset < dataOffset || t.byteOffset + t.byteLength > bytes.byteLength) throw new Error(`${t.name} reaches outside the file`);
    covered += t.byteLength;
  }
  if (dataOffset + covered !== bytes.byteLength) throw new Error('tensors overlap, or leave a gap');
}
