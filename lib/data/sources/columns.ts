/** Tables as examples: which column holds the input, which the output. */
import { HypertuneError } from '../../engine/errors.ts';
import type { FewShotExample, RecordFault } from '../formats.ts';
import { parseJson } from '../formats.ts';

/** Names of columns; a dot leads into a nested one (`answers.text`). */
export interface ColumnMap {
  input: string;
  /** A text, a number, or a list of acceptable outputs. */
  output: string;
  task?: string;
  /** A list, or a text that is a JSON list. */
  options?: string;
  /** Names of the classes, where `output` holds their numbers from 0; they become the options. */
  labels?: readonly string[];
}

export const DEFAULT_COLUMNS: ColumnMap = { input: 'input', output: 'output' };

/** `undefined`: there is no such column. */
export function cell(row: unknown, column: string): unknown {
  if (typeof row !== 'object' || row === null) return undefined;
  const fields = row as Record<string, unknown>;
  if (Object.hasOwn(fields, column)) return fields[column];
  const dot = column.indexOf('.');
  return dot < 0 ? undefined : cell(fields[column.slice(0, dot)], column.slice(dot + 1));
}

/** A row as an example. */
export function fromColumns(columns: ColumnMap): (row: unknown) => FewShotExample | RecordFault {
  return (row) => {
    const input = textCell(row, columns.input);
    if (typeof input !== 'string') return input;
    const outputs = columns.labels ? labelCell(row, columns.output, columns.labels) : listCell(row, columns.output);
    if ('fault' in outputs) return outputs;
    const task = columns.task === undefined ? undefined : textCell(row, columns.task);
    if (typeof task === 'object') return task;
    const options = columns.options === undefined ? columns.labels : listCell(row, columns.options);
    if (options && 'fault' in options) return options;
    return { input, output: outputs[0], outputs, ...(task !== undefined && { task }), ...(options && options.length > 0 && { options }) };
  };
}

function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : undefined;
}

function textCell(row: unknown, column: string): string | RecordFault {
  const value = cell(row, column);
  return asText(value) ?? { fault: `column "${column}" ${whatIs(value)}`, field: column };
}

function whatIs(value: unknown): string {
  return value === undefined ? 'is missing' : value === null ? 'is null' : 'is neither text nor number';
}

function listCell(row: unknown, column: string): readonly string[] | RecordFault {
  const value = cell(row, column);
  const parsed = typeof value === 'string' && value.trimStart().startsWith('[') ? parseJson(value) : undefined;
  const items = parsed && 'value' in parsed && Array.isArray(parsed.value) ? parsed.value : value;
  if (!Array.isArray(items)) {
    const text = asText(value);
    return text === undefined ? { fault: `column "${column}" ${whatIs(value)}`, field: column } : [text];
  }
  const texts = items.map(asText);
  if (texts.length === 0) return { fault: `column "${column}" is an empty list`, field: column };
  return texts.includes(undefined) ? { fault: `column "${column}" is not a list of texts`, field: column } : (texts as string[]);
}

function labelCell(row: unknown, column: string, labels: readonly string[]): readonly string[] | RecordFault {
  const text = textCell(row, column);
  if (typeof text !== 'string') return text;
  const name = /^\d+$/.test(text) ? labels[Number(text)] : undefined;
  return name === undefined ? { fault: `column "${column}" holds "${text}", which is no number of a label (0 .. ${labels.length - 1})`, field: column } : [name];
}

/** Throws FILE_FORMAT when a table lacks a column altogether: then no row can be read. */
export function requireColumns(file: string, present: readonly string[], needed: readonly string[]): void {
  for (const column of needed) {
    if (present.includes(column) || present.includes(column.split('.')[0])) continue;
    throw new HypertuneError('FILE_FORMAT', `${file} has no column "${column}"; its columns are ${present.map((name) => `"${name}"`).join(', ')}.`, {
      field: 'columns',
      remedy: 'Name the columns with `columns: { input, output }`.',
    });
  }
}

/** Columns that a map reads. */
export function columnNames({ input, output, task, options }: ColumnMap): string[] {
  return [input, output, task, options].filter((name) => name !== undefined);
}
