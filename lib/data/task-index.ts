/** The index of a task folder: a JSON array with one object per task. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import { parseJson } from './formats.ts';
import { readError } from './lines.ts';

/** What an index, or a file of a known layout, says of a task. Fields of an index that are not named here are kept too. */
export interface TaskInfo {
  readonly task: string;
  /** The instruction, in a sentence or more. */
  readonly definition?: string;
  /** `label`, `choice`, `extract`, `edit` or `open`. */
  readonly kind?: string;
  /** `classification` or `generation`. */
  readonly type?: string;
  readonly labels?: readonly string[];
  readonly source?: string;
  readonly category?: string;
  readonly cluster?: string;
  readonly licence?: string;
  /** `open`, `nc` or `unclear`. */
  readonly licence_class?: string;
  readonly metrics?: readonly string[];
  readonly mean_input_words?: number;
  readonly mean_output_words?: number;
  /** Fixed examples that are not among the instances. */
  readonly positive_examples?: readonly { readonly input: string; readonly output: string }[];
}

/** Types of the fields that this package itself reads. */
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  definition: isString,
  kind: isString,
  type: isString,
  licence_class: isString,
  labels: (value) => Array.isArray(value) && value.every(isString),
  mean_input_words: isNumber,
  mean_output_words: isNumber,
  positive_examples: (value) => Array.isArray(value) && value.every((item) => isString(item?.input) && isString(item?.output)),
};

function isString(value: unknown): boolean {
  return typeof value === 'string';
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

/** Throws FILE_NOT_FOUND, FILE_IO, FILE_FORMAT (names the entry and field). */
export async function readTaskIndex(file: string): Promise<Map<string, TaskInfo>> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw readError(file, cause);
  });
  const fail = (message: string, field?: string): never => {
    throw new HypertuneError('FILE_FORMAT', `${file}: ${message}.`, { field, remedy: 'Expected an array of {"task": string, ...}; pass `index: false` to read without it.' });
  };
  const parsed = parseJson(text.replace(/^\uFEFF/, ''));
  if ('fault' in parsed) return fail(parsed.fault);
  if (!Array.isArray(parsed.value)) return fail('not an array');
  const index = new Map<string, TaskInfo>();
  for (const [i, entry] of (parsed.value as (Record<string, unknown> | null)[]).entries()) {
    if (typeof entry?.task !== 'string') return fail(`entry ${i + 1} has no task name`, 'task');
    for (const [field, hasType] of Object.entries(FIELDS)) {
      if (entry[field] !== undefined && !hasType(entry[field])) fail(`field "${field}" of task ${entry.task} has the wrong type`, field);
    }
    index.set(entry.task, entry as unknown as TaskInfo);
  }
  return index;
}

export const INDEX_NAME = 'index.json';

/** Where the index of files in `folder` may lie: beside them or one level above. */
export function indexCandidates(folder: string): string[] {
  return [path.join(folder, INDEX_NAME), path.join(path.resolve(folder), '..', INDEX_NAME)];
}
