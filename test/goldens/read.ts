/** Reads the golden files for tests. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { openSafetensors } from '../../lib/files/safetensors.ts';

export const GOLDENS = path.dirname(new URL(import.meta.url).pathname);
export const modelFolder = (name: string): string => path.join(GOLDENS, 'models', name);

export const readGolden = (file: string): any => JSON.parse(readFileSync(path.join(GOLDENS, file), 'utf8'));

export interface GoldenTensors {
  floats(name: string): Promise<Float32Array>;
  ints(name: string): Promise<Int32Array>;
  shape(name: string): number[];
  names(): string[];
}

export async function openGolden(file: string): Promise<GoldenTensors> {
  const tensors = await openSafetensors(path.join(GOLDENS, file));
  return {
    floats: (name) => tensors.readFloat32(name),
    ints: async (name) => {
      const bytes = await tensors.read(name);
      return new Int32Array(bytes.slice().buffer);
    },
    shape: (name) => tensors.tensors.get(name)!.shape,
    names: () => [...tensors.tensors.keys()],
  };
}

/** Rows of a padded [rows, width] matrix, cut to their lengths. */
export function unpad(padded: Int32Array, width: number, lengths: Int32Array): Int32Array[] {
  return Array.from(lengths, (n, r) => padded.slice(r * width, r * width + n));
}

/** max|a - b| / max|b| over the valid positions of `padded` [rows, width, d], where a is packed [tokens, d]. */
export function packedError(packed: ArrayLike<number>, padded: Float32Array, width: number, d: number, lengths: Int32Array): number {
  let [error, size, at] = [0, 0, 0];
  lengths.forEach((n, r) => {
    for (let i = 0; i < n * d; i++, at++) {
      const expected = padded[r * width * d + i];
      error = Math.max(error, Math.abs(packed[at] - expected));
      size = Math.max(size, Math.abs(expected));
    }
  });
  if (at !== packed.length) throw new Error(`${packed.length} packed values for ${at} valid ones`);
  return error / size;
}
