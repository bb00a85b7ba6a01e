/** Rows of ids laid end to end, without padding. */
import { HypertuneError } from '../../engine/errors.ts';

/** Longest row of the encoder, and longest answer, in tokens. */
export const MAX_ROW = 65_536;

export interface Packed {
  /** [tokens] */
  ids: Int32Array;
  /** [rows + 1] */
  offsets: Int32Array;
}

/** Throws ARGUMENT_INVALID for no rows, an empty row or one that is not an Int32Array, LENGTH_EXCEEDED for one over MAX_ROW. */
export function pack(rows: readonly Int32Array[], field: string): Packed {
  if (!Array.isArray(rows as unknown) || rows.length === 0) {
    throw new HypertuneError('ARGUMENT_INVALID', `${field} must be a list of at least one row of ids.`, { field });
  }
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((row, r) => {
    checkRow(row, `${field}[${r}]`);
    offsets[r + 1] = offsets[r] + row.length;
  });
  const ids = new Int32Array(offsets[rows.length]);
  rows.forEach((row, r) => ids.set(row, offsets[r]));
  return { ids, offsets };
}

function checkRow(row: unknown, field: string): void {
  if (!(row instanceof Int32Array)) throw new HypertuneError('ARGUMENT_INVALID', 'must be an Int32Array of ids.', { field });
  if (row.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'is empty.', { field, remedy: 'A row needs at least the end token.' });
  if (row.length > MAX_ROW) {
    throw new HypertuneError('LENGTH_EXCEEDED', `has ${row.length} ids; the limit is ${MAX_ROW}.`, { field, remedy: 'Shorten or split it.' });
  }
}

/** Throws ARGUMENT_RANGE naming the first id outside [0, end). */
export function checkIds(row: ArrayLike<number>, end: number, field: string): void {
  for (let i = 0; i < row.length; i++) {
    if (!Number.isInteger(row[i]) || row[i] < 0 || row[i] >= end) {
      throw new HypertuneError('ARGUMENT_RANGE', `id ${row[i]} at ${i} is outside [0, ${end}).`, { field });
    }
  }
}

/** The smallest power of two that is at least n and `least`, itself one. */
export function capacity(n: number, least: number): number {
  let size = least;
  while (size < n) size *= 2;
  return size;
}

/** Float values as fetched, in single precision. */
export function float32(values: ArrayLike<number>): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
