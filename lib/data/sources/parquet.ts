/** Parquet tables, a row group at a time. */
import type { FileMetaData, SchemaTree } from 'hyparquet';
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
    const metadata = await parquetMetadataAsync(bytes, { geoparquet: false });
    const schema = parquetSchema(metadata);
    requireOwnColumns(metadata, schema);
    const present = schema.children.map(({ element }) => element.name);
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

/** hyparquet reads columns that the schema does not have too, and waits for none of them: one that cannot be read would end the process. */
function requireOwnColumns({ row_groups: groups }: FileMetaData, schema: SchemaTree): void {
  const leaves = (node: SchemaTree): string[] => (node.children.length ? node.children.flatMap(leaves) : [JSON.stringify(node.path)]);
  const known = new Set(leaves(schema));
  for (const [i, { columns }] of groups.entries()) {
    const paths = columns.map((column) => JSON.stringify(column.meta_data?.path_in_schema));
    if (new Set(paths).size < paths.length || !paths.every((path) => known.has(path))) throw new Error(`the columns of row group ${i} are not those of the schema`);
  }
}
