/** Comma- and tab-separated tables with a header line. */
import type { Info } from 'csv-parse';
import { HypertuneError } from '../../engine/errors.ts';
import { BYTE_ORDER_MARK, chunks } from '../lines.ts';
import type { LineOptions } from '../lines.ts';
import { requireColumns } from './columns.ts';
import type { Row, Rows } from './rows.ts';

export interface CsvOptions extends LineOptions {
  delimiter: string;
  /** Columns that the header must name. */
  needed: readonly string[];
}

const BATCH_ROWS = 500;

/**
 * Rows as objects of texts; fields in double quotes may hold line ends. A row that is too short, too long or not UTF-8 is a
 * problem; one that cannot be parsed ends the reading of the file, for its quotes no longer say where rows begin.
 * Throws FILE_FORMAT (a needed column is missing) and what `lines` throws.
 */
export async function* csvRows(file: string, { delimiter, needed, maxLineBytes, signal }: CsvOptions): Rows {
  const { CsvError, parse } = await import('csv-parse');
  // tab-separated values have no quoting; encoding null gives bytes, for texts that are no UTF-8 must not be mended silently
  const quote = delimiter === '\t' ? null : '"';
  const parser = parse({ delimiter, quote, relax_quotes: true, encoding: null, info: true, skip_empty_lines: true, relax_column_count: true, max_record_size: maxLineBytes });
  const feeding = feed(parser, file, signal);
  feeding.catch((cause) => parser.destroy(cause));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let header: string[] | undefined;
  let line = 1;
  let batch: Row[] = [];
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Buffer[]; info: Info }>) {
      const row = decodeRow(record, decoder);
      const number = line + info.empty_lines;
      line += 1 + lineEnds(record); // the parser's own count takes CR LF within quotes for two lines
      if (header === undefined) {
        if (row === undefined) throw new HypertuneError('FILE_FORMAT', `${file}: the header is not UTF-8 text.`, { field: 'path' });
        header = row;
        requireColumns(file, header, needed);
      } else if (row === undefined) {
        batch.push({ line: number, problem: 'not UTF-8 text' });
      } else if (row.length !== header.length) {
        batch.push({ line: number, problem: `${row.length} fields, but the header has ${header.length}` });
      } else {
        batch.push({ line: number, value: Object.fromEntries(header.map((name, i) => [name, row[i]])) });
      }
      if (batch.length === BATCH_ROWS) {
        yield batch;
        batch = [];
      }
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    batch.push({ line, problem: `cannot be parsed, and the rows after it were not read: ${cause.message}` });
  } finally {
    parser.destroy();
  }
  yield batch;
}

async function feed(parser: NodeJS.WritableStream, file: string, signal: AbortSignal | undefined): Promise<void> {
  let first = true;
  for await (const bytes of chunks(file, signal)) {
    const chunk = first && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
    first = false;
    if (!parser.writable) return;
    if (!parser.write(chunk)) await new Promise<void>((resolve) => (parser.once('drain', resolve), parser.once('close', resolve)));
  }
  parser.end();
}

function lineEnds(record: readonly Buffer[]): number {
  return record.reduce((count, field) => count + field.toString('latin1').split('\n').length - 1, 0);
}

function decodeRow(record: readonly Buffer[], decoder: InstanceType<typeof TextDecoder>): string[] | undefined {
  try {
    return record.map((field) => decoder.decode(field));
  } catch {
    return undefined;
  }
}
