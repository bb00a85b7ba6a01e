/** Parquet tables, a row group at a time, read in a process of its own: what a damaged page makes of the reader ends that one alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
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
 * Sends the names of the columns, hears which to read, then sends the rows of a group whenever it is asked to go on. Row groups must have
 * exactly the schema's columns: hyparquet reads others too and waits for none of them, so that one that cannot be read has no handler.
 */
const READER = `
const [library, codecs, file] = process.argv.slice(1);
const heard = () => new Promise((resolve) => process.once('message', resolve));
const leaves = (node) => (node.children.length ? node.children.flatMap(leaves) : [JSON.stringify(node.path)]);
try {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import(library);
  const { compressors } = await import(codecs);
  const bytes = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(bytes, { geoparquet: false });
  const schema = parquetSchema(metadata);
  const known = new Set(leaves(schema));
  for (const [i, group] of metadata.row_groups.entries()) {
    const paths = group.columns.map((column) => JSON.stringify(column.meta_data?.path_in_schema));
    if (new Set(paths).size < paths.length || !paths.every((path) => known.has(path))) throw new Error('the columns of row group ' + i + ' are not those of the schema');
  }
  process.send({ columns: schema.children.map(({ element }) => element.name) });
  const { columns } = await heard();
  let rowStart = 0;
  for (const { num_rows: count } of metadata.row_groups) {
    const rowEnd = rowStart + Number(count);
    process.send({ rows: await parquetReadObjects({ file: bytes, metadata, columns, rowStart, rowEnd, compressors }) });
    rowStart = rowEnd;
    await heard();
  }
  process.send({ end: true });
} catch (error) {
  process.send({ failure: { message: String(error?.message), code: error?.code } });
}
process.disconnect();
`;

type Message = { columns: string[] } | { rows: unknown[] } | { end: true } | { failure: { message: string; code?: string } };

/**
 * Rows as objects; nulls, lists and structures come as such. Throws FILE_NOT_FOUND, FILE_FORMAT (no Parquet file, a damaged
 * one, a missing column), ABORTED.
 */
export async function* parquetRows(file: string, { needed, signal }: ParquetOptions): Rows {
  const require = createRequire(import.meta.url);
  const [library, codecs] = ['hyparquet', 'hyparquet-compressors'].map((name) => pathToFileURL(require.resolve(name)).href);
  const reader = spawn(process.execPath, ['--input-type=module', '-e', READER, '--', library, codecs, file], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced', env: { ...process.env, NODE_OPTIONS: '' } });
  const ended = new AbortController();
  reader.once('exit', () => ended.abort());
  reader.once('error', () => ended.abort());
  const stop = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
  const next = async (): Promise<Message> => {
    const heard = once(reader, 'message', { signal: stop });
    return ((await heard) as [Message])[0];
  };
  try {
    let message = await next();
    if ('columns' in message) {
      const present = message.columns;
      requireColumns(file, present, needed ?? []);
      reader.send({ columns: needed && present.filter((name) => needed.some((column) => column === name || column.startsWith(`${name}.`))) });
      message = await next();
    }
    for (let line = 1; 'rows' in message; message = await next()) {
      const first = line;
      yield message.rows.map((value, i) => ({ line: first + i, value }));
      line += message.rows.length;
      reader.send({});
    }
    if ('failure' in message) throw Object.assign(new Error(message.failure.message), { code: message.failure.code });
  } catch (cause) {
    throw damaged(file, cause, signal, ended.signal.aborted && reader.exitCode !== 0);
  } finally {
    reader.kill('SIGKILL');
  }
}

function damaged(file: string, cause: unknown, signal: AbortSignal | undefined, crashed: boolean): HypertuneError {
  const known = readError(file, cause, signal);
  const { code } = cause as { code?: unknown };
  const system = typeof code === 'string' && /^E[A-Z0-9]+$/.test(code); // libraries have codes too: ERR_OUT_OF_RANGE, numbers
  if (known.code !== 'FILE_IO' || (!crashed && system)) return known;
  const why = crashed ? 'the process that read it ended' : (cause as Error).message;
  return new HypertuneError('FILE_FORMAT', `${file} is no Parquet file, or a damaged one: ${why}.`, { field: 'path', cause });
}
