/** Files of few-shot examples: JSON Lines, one `{"input": ..., "output": ...}` per line, or one JSON array of them. */
import { readFile } from 'node:fs/promises';
import { HypertuneError } from '../engine/errors.ts';
import type { Example } from './task.ts';

export interface FewShotExample extends Example {
  /** All acceptable outputs, best first; `output` is the first. */
  readonly outputs: readonly string[];
  readonly task?: string;
  /** The closed set of answers, where there is one. */
  readonly options?: readonly string[];
}

const EXPECTED = 'Expected {"input": string, "output": string or [string, ...]}.';

/** What is wrong with a record. */
export interface RecordFault {
  readonly fault: string;
  readonly field?: string;
}

function isStringList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** A record as an example, or what is wrong with it. */
export function toExample(value: unknown): FewShotExample | RecordFault {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { fault: 'not an object' };
  const { input, output, task, options } = value as Record<string, unknown>;
  if (input === undefined) return { fault: 'field "input" is missing', field: 'input' };
  if (typeof input !== 'string') return { fault: 'field "input" is not a string', field: 'input' };
  if (output === undefined) return { fault: 'field "output" is missing', field: 'output' };
  const outputs = typeof output === 'string' ? [output] : output;
  if (!isStringList(outputs)) return { fault: 'field "output" is neither a string nor a list of strings', field: 'output' };
  if (outputs.length === 0) return { fault: 'field "output" is an empty list', field: 'output' };
  if (task !== undefined && typeof task !== 'string') return { fault: 'field "task" is not a string', field: 'task' };
  if (options !== undefined && !isStringList(options)) return { fault: 'field "options" is not a list of strings', field: 'options' };
  return { input, output: outputs[0], outputs, ...(task !== undefined && { task }), ...(options && { options }) };
}

/** The value of a JSON text, or what is wrong with it. */
export function parseJson(text: string): { value: unknown } | RecordFault {
  try {
    return { value: JSON.parse(text) };
  } catch (cause) {
    return { fault: `not JSON: ${(cause as Error).message}` };
  }
}

/** `result`, unless it is a fault: then throws FILE_FORMAT. */
function sound<T extends object>(result: T | RecordFault, where: string): T {
  if (!('fault' in result)) return result;
  throw new HypertuneError('FILE_FORMAT', `${where}: ${result.fault}`, { field: result.field, remedy: EXPECTED });
}

/**
 * The examples of a text in either form; `file` only names it in messages. Blank lines and a byte order mark are skipped.
 * Throws FILE_FORMAT with file and line (in an array: item, from 1), EXAMPLES_EMPTY when there is none.
 */
export function parseExamples(text: string, file: string): FewShotExample[] {
  const body = text.replace(/^\uFEFF/, '');
  const examples: FewShotExample[] = [];
  if (body.trimStart().startsWith('[')) {
    const items = sound(parseJson(body), file).value as unknown[];
    for (const [i, item] of items.entries()) examples.push(sound(toExample(item), `${file}, item ${i + 1}`));
  } else {
    for (const [i, line] of body.split('\n').entries()) {
      if (line.trim() === '') continue;
      const where = `${file}:${i + 1}`;
      examples.push(sound(toExample(sound(parseJson(line), where).value), where));
    }
  }
  if (examples.length === 0) {
    throw new HypertuneError('EXAMPLES_EMPTY', `${file} holds no example`, { field: 'examples', remedy: EXPECTED });
  }
  return examples;
}

/** Reads and parses a UTF-8 file. Throws FILE_NOT_FOUND, FILE_IO (cannot be read), and what `parseExamples` throws. */
export async function readExamples(path: string): Promise<FewShotExample[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new HypertuneError('FILE_NOT_FOUND', `${path} does not exist`, { field: 'path', cause });
    throw new HypertuneError('FILE_IO', `cannot read ${path}: ${message}`, { field: 'path', cause });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HypertuneError('FILE_FORMAT', `${path} is not UTF-8 text`, { field: 'path', remedy: 'Save it as UTF-8.', cause });
  }
  return parseExamples(text, path);
}
