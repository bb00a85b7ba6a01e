/** Parquet tables, a row group at a time. */
import { HypertuneError } from '../../engine/errors.ts';
import { readError } from '../lines.ts';
import { requireColumns } from './columns.ts';
import type { Rows } from './rows.ts';

export interface ParquetOptions {
  /** Columns to read; a dotted name reads the column before the dot. Without `needed`, all. */
  needed?: readonly string[];
  signal?: AbortSignal;
}

/**
 * Rows as objects; nulls, lists and structures come as such. Throws FILE_NOT_FOUND, FILE_FORMAT (no Parquet file, a damaged
 * one, a missing column), ABORTED.
 */
export async function* parquetRows(file: string, { needed, signal }: ParquetOptions): Rows {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const damaged = (cause: unknown): HypertuneError => {
    if (cause instanceof HypertuneError) return cause;
    const known = readError(file, cause, signal);
    if (known.code !== 'FILE_IO' || (cause as NodeJS.ErrnoException).code !== undefined) return known;
    return new HypertuneError('FILE_FORMAT', `${file} is no Parquet file, or a damaged one: ${(cause as Error).message}.`, { field: 'path', cause });
  };
  try {
    const bytes = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(bytes);
    const present = parquetSchema(metadata).children.map(({ element }) => element.name);
    requireColumns(file, present, needed ?? []);
    const columns = needed && present.filter((name) => needed.some((column) => column === name || column.startsWith(`${name}.`)));
    let start = 0;
    for (const { num_rows: count } of metadata.row_groups) {
      signal?.throwIfAborted();
      const firstRow = start + 1;
      const end = start + Number(count);
      const rows = await parquetReadObjects({ file: bytes, metadata, columns, rowStart: start, rowEnd: end, compressors });
      yield rows.map((value, i) => ({ line: firstRow + i, value }));
      start = end;
    }
  } catch (cause) {
    throw damaged(cause);
  }
}
