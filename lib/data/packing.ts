/** Packed batches: rows of different lengths end to end in one array, no padding. */

/** Row r is `ids[offsets[r] .. offsets[r + 1]]`. */
export interface Packed {
  /** int32 [tokens] */
  readonly ids: Int32Array;
  /** int32 [rows + 1]; starts at 0, never falls, ends at the number of tokens. */
  readonly offsets: Int32Array;
}

export function pack(rows: readonly Int32Array[]): Packed {
  const offsets = new Int32Array(rows.length + 1);
  for (let r = 0; r < rows.length; r++) offsets[r + 1] = offsets[r] + rows[r].length;
  const ids = new Int32Array(offsets[rows.length]);
  for (let r = 0; r < rows.length; r++) ids.set(rows[r], offsets[r]);
  return { ids, offsets };
}

/** A view of row r, not a copy. */
export function rowOf(packed: Packed, r: number): Int32Array {
  return packed.ids.subarray(packed.offsets[r], packed.offsets[r + 1]);
}

/**
 * Decoder inputs for teacher forcing: in every row `startId`, then the labels without the last one. Shares the offsets of
 * `labels`, whose rows must not be empty.
 */
export function shiftRight(labels: Packed, startId: number): Packed {
  const { offsets } = labels;
  const ids = new Int32Array(labels.ids.length);
  for (let i = 1; i < ids.length; i++) ids[i] = labels.ids[i - 1];
  for (let r = 0; r + 1 < offsets.length; r++) ids[offsets[r]] = startId;
  return { ids, offsets };
}

export interface PackingShare {
  readonly tokens: number;
  /** Rows x longest row, rounded up: what a padded batch would hold. */
  readonly padded: number;
  /** tokens / padded; 1 for a batch without tokens. */
  readonly share: number;
}

/** Real tokens against what padding every row to the longest would give; `multiple` rounds that length up, as padded kernels do. */
export function packingShare(offsets: Int32Array, multiple = 1): PackingShare {
  let longest = 0;
  for (let r = 0; r + 1 < offsets.length; r++) longest = Math.max(longest, offsets[r + 1] - offsets[r]);
  const tokens = offsets[offsets.length - 1] - offsets[0];
  const padded = (offsets.length - 1) * Math.ceil(longest / multiple) * multiple;
  return { tokens, padded, share: padded === 0 ? 1 : tokens / padded };
}
