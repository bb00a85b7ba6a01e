/** Batches as training takes them: packed rows for encoder, decoder and hypermodel. */
import type { EpisodeBatch } from './episodes.ts';
import type { Packed } from './packing.ts';
import { pack, shiftRight } from './packing.ts';
import type { TextBatch } from './text-modes.ts';

/** Encoder input and decoder input of each row, and labels (int32 [decoder tokens], offsets of `decoder`). */
export interface TextRows {
  readonly encoder: Packed;
  readonly decoder: Packed;
  readonly labels: Int32Array;
}

/** `hyper` has a row per evidence set; `setOfRow`, int32 [rows], says which set a row is answered with. */
export interface EpisodeRows extends TextRows {
  readonly hyper: Packed;
  readonly setOfRow: Int32Array;
}

/** Sources and targets as packed rows; no target may be empty. */
export function textRows(sources: readonly Int32Array[], targets: readonly Int32Array[], padId: number): TextRows {
  const labels = pack(targets);
  return { encoder: pack(sources), decoder: shiftRight(labels, padId), labels: labels.ids };
}

export function rowsOfText(batch: TextBatch): TextRows {
  return {
    encoder: { ids: batch.encoderIds, offsets: batch.encoderOffsets },
    decoder: { ids: batch.decoderIds, offsets: batch.decoderOffsets },
    labels: batch.labels,
  };
}

export function rowsOfEpisodes({ query, decoder, labels, hyper, setOfRow }: EpisodeBatch): EpisodeRows {
  return { encoder: query, decoder, labels: labels.ids, hyper, setOfRow };
}
