/** Tasks of a file or a folder, whatever their format. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import type { FewShotExample } from './formats.ts';
import { toExample } from './formats.ts';
import type { LineOptions } from './lines.ts';
import { readError } from './lines.ts';
import type { ColumnMap } from './sources/columns.ts';
import { columnNames, DEFAULT_COLUMNS, fromColumns } from './sources/columns.ts';
import { csvRows } from './sources/csv.ts';
import { isP3, p3Examples } from './sources/p3.ts';
import { parquetRows } from './sources/parquet.ts';
import type { Row, Rows } from './sources/rows.ts';
import { jsonRows, mapRows } from './sources/rows.ts';
import { readSuperNi } from './sources/super-ni.ts';
import type { PromptTemplate } from './sources/templates.ts';
import type { CollectOptions, TaskCollection } from './task-collector.ts';
import { TaskCollector } from './task-collector.ts';
import { indexCandidates, INDEX_NAME, readTaskIndex } from './task-index.ts';
import type { TaskInfo } from './task-index.ts';
import { ProblemLog } from './task-report.ts';

export type TaskFormat = 'jsonl' | 'super-ni' | 'csv' | 'tsv' | 'parquet';

export interface TaskFileOptions extends CollectOptions, LineOptions {
  /** Default: what the name of each file says. */
  format?: TaskFormat;
  /** Which files of a folder, by their path in it; default: all of a known format. */
  files?: (name: string) => boolean;
  /** An index file, or false for none; default: `index.json` in the folder or one level above, where there is one. */
  index?: string | false;
  /** Of tables, or of JSON Lines with other field names. */
  columns?: ColumnMap;
  /** Makes input and output from the fields of a record; takes the place of `columns`. */
  template?: PromptTemplate;
  /** A broken record is an error instead of a line of the report. */
  strict?: boolean;
  /** Broken records that the report names; default 20. */
  maxProblems?: number;
}

const EXTENSION = /\.(jsonl|json|csv|tsv|parquet)(\.gz)?$/;
const FORMATS: Readonly<Record<string, TaskFormat>> = { jsonl: 'jsonl', json: 'super-ni', csv: 'csv', tsv: 'tsv', parquet: 'parquet' };

/**
 * Reads a file, or the files of a folder and its subfolders in the order of their names. Records without a task name belong
 * to the task named by their file. Broken records are counted and reported.
 *
 * Throws FILE_NOT_FOUND, FILE_IO, FILE_TRUNCATED and FILE_FORMAT naming the file (under `strict` also the line),
 * EXAMPLES_EMPTY when there is nothing to read, ARGUMENT_RANGE, ABORTED.
 */
export async function openTasks(location: string, options: TaskFileOptions = {}): Promise<TaskCollection> {
  const { cap, strict = false, maxProblems = 20 } = options;
  if (cap !== undefined && !(Number.isInteger(cap) && cap >= 2)) {
    throw new HypertuneError('ARGUMENT_RANGE', `expected an integer of at least 2, got ${cap}`, { field: 'cap' });
  }
  const isFolder = await stat(location).then((entry) => entry.isDirectory(), (cause) => {
    throw readError(location, cause);
  });
  const folder = isFolder ? location : path.dirname(location);
  const names = isFolder ? await taskFiles(folder, options.files) : [path.basename(location)];
  if (names.length === 0) {
    throw new HypertuneError('EXAMPLES_EMPTY', `${location} holds no file of tasks.`, { field: 'path', remedy: 'Expected *.jsonl, *.json (Super-NaturalInstructions), *.csv, *.tsv or *.parquet.' });
  }
  const infos = await findIndex(folder, options.index);
  const log = new ProblemLog(strict, maxProblems);
  const collector = new TaskCollector(log, infos, options);
  for (const name of names) await readInto(collector, log, infos, path.join(folder, name), options);
  const collection = collector.finish();
  if (log.records === 0 && log.broken > 0) {
    const [{ file, line, message }] = [...log.problems, { file: location, line: 0, message: '' }];
    throw new HypertuneError('FILE_FORMAT', `${location}: none of ${log.broken} records can be read; the first: ${file}:${line}: ${message}.`, { field: 'path' });
  }
  return collection;
}

async function taskFiles(folder: string, wanted: (name: string) => boolean = () => true): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause) => {
    throw readError(folder, cause);
  });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  return names.filter((name) => EXTENSION.test(name) && path.basename(name) !== INDEX_NAME && wanted(name)).sort();
}

async function findIndex(folder: string, index: string | false | undefined): Promise<Map<string, TaskInfo>> {
  if (index === false) return new Map();
  if (index !== undefined) return readTaskIndex(index);
  for (const candidate of indexCandidates(folder)) {
    const exists = await stat(candidate).then((entry) => entry.isFile(), () => false);
    if (exists) return readTaskIndex(candidate);
  }
  return new Map();
}

async function readInto(collector: TaskCollector, log: ProblemLog, infos: Map<string, TaskInfo>, file: string, options: TaskFileOptions): Promise<void> {
  const ownName = path.basename(file).replace(EXTENSION, '');
  log.files++;
  let seen = 0;
  for await (const batch of await examplesOf(file, ownName, infos, options)) {
    seen += batch.length;
    for (const row of batch) {
      const fault = 'problem' in row ? row.problem : optionFault(row.value);
      if (fault !== undefined) log.add(file, row.line, fault);
      else if ('value' in row) collector.add(row.value.task ?? ownName, row.value);
    }
  }
  if (seen > 0) return;
  throw new HypertuneError('EXAMPLES_EMPTY', `${file} holds no record.`, { field: 'path', remedy: 'Remove the file, or write it again.' });
}

function optionFault({ output, options }: FewShotExample): string | undefined {
  return options && !options.includes(output) ? `output ${JSON.stringify(output.slice(0, 80))} is not among the options` : undefined;
}

async function examplesOf(file: string, ownName: string, infos: Map<string, TaskInfo>, options: TaskFileOptions): Promise<Rows<FewShotExample>> {
  const format = options.format ?? FORMATS[EXTENSION.exec(file)?.[1] ?? ''];
  if (format === undefined) {
    throw new HypertuneError('FILE_UNSUPPORTED', `${file} is of no known format.`, { field: 'format', remedy: `Pass \`format\`: ${[...new Set(Object.values(FORMATS))].join(', ')}.` });
  }
  if (format === 'super-ni') {
    const { info, rows } = await readSuperNi(file, ownName, options.signal);
    infos.set(ownName, { ...info, ...infos.get(ownName) });
    return rows;
  }
  return interpret(format, rowsOf(format, file, options), options);
}

function rowsOf(format: Exclude<TaskFormat, 'super-ni'>, file: string, options: TaskFileOptions): Rows {
  const { columns, template } = options;
  const needed = template ? undefined : columnNames(columns ?? DEFAULT_COLUMNS);
  if (format === 'parquet') return parquetRows(file, { ...options, needed: columns && needed });
  if (format === 'jsonl') return jsonRows(file, options);
  return csvRows(file, { ...options, delimiter: format === 'csv' ? ',' : '\t', needed: needed ?? [] });
}

/** Rows as examples; the first sound row tells P3's own records from plain ones. */
async function* interpret(format: TaskFormat, rows: Rows, { columns, template }: TaskFileOptions): Rows<FewShotExample> {
  if (template) {
    const { templateExamples } = await import('./sources/templates.ts');
    yield* mapRows(rows, await templateExamples(template));
    return;
  }
  if (columns) {
    yield* mapRows(rows, fromColumns(columns));
    return;
  }
  let first: Row[] = [];
  while (first.length === 0) {
    const next = await rows.next();
    if (next.done) return;
    first = next.value;
  }
  const all = withFirst(first, rows);
  const sample = first.map((row) => ('value' in row ? row.value : undefined)).find((value) => value !== undefined);
  if (isP3(sample)) yield* p3Examples(all);
  else yield* mapRows(all, format === 'jsonl' ? plainExample : fromColumns(ownColumns(sample)));
}

async function* withFirst(first: Row[], rest: Rows): Rows {
  yield first;
  yield* rest;
}

/** An empty list of options, as MetaICL writes it for free answers, is none. */
function plainExample(value: unknown): ReturnType<typeof toExample> {
  const fields = value as { options?: unknown } | null;
  const none = Array.isArray(fields?.options) && fields.options.length === 0;
  return toExample(none ? { ...fields, options: undefined } : value);
}

/** Of a table without a map: the columns of our own records, those it has. */
function ownColumns(row: unknown): ColumnMap {
  const has = (name: 'task' | 'options') => typeof row === 'object' && row !== null && name in row && { [name]: name };
  return { ...DEFAULT_COLUMNS, ...has('task'), ...has('options') };
}
