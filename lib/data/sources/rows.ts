/** Records of a file before anything is known of their fields. */
import { parseJson } from '../formats.ts';
import type { RecordFault } from '../formats.ts';
import { lines } from '../lines.ts';
import type { LineOptions } from '../lines.ts';

/** Of a line or row, from 1. */
export type Row<T = unknown> = { readonly line: number; readonly value: T } | { readonly line: number; readonly problem: string };

/** Rows in batches of the reader's convenience: awaiting each alone would cost more than parsing it. */
export type Rows<T = unknown> = AsyncGenerator<Row<T>[]>;

/** JSON Lines; blank lines are skipped. Throws as `lines`. */
export async function* jsonRows(file: string, options: LineOptions): Rows {
  for await (const batch of lines(file, options)) {
    yield batch.filter((line) => 'problem' in line || line.text.trim() !== '').map((line): Row => {
      if ('problem' in line) return { line: line.number, problem: line.problem };
      const parsed = parseJson(line.text);
      return 'fault' in parsed ? { line: line.number, problem: parsed.fault } : { line: line.number, value: parsed.value };
    });
  }
}

/** Rows of another form; faults of `convert` become problems. */
export async function* mapRows<A, B>(rows: Rows<A>, convert: (value: A) => B): Rows<Exclude<B, RecordFault>> {
  for await (const batch of rows) {
    yield batch.map((row) => {
      if ('problem' in row) return row;
      const value = convert(row.value);
      return isFault(value) ? { line: row.line, problem: value.fault } : { line: row.line, value: value as Exclude<B, RecordFault> };
    });
  }
}

function isFault(value: unknown): value is RecordFault {
  return typeof value === 'object' && value !== null && 'fault' in value;
}
