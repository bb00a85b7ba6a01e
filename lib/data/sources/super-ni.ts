/** A task file of Super-NaturalInstructions (Wang et al., arXiv 2204.07705): definition, fixed examples, instances. */
import { readFile } from 'node:fs/promises';
import { HypertuneError } from '../../engine/errors.ts';
import { parseJson, toExample } from '../formats.ts';
import type { FewShotExample } from '../formats.ts';
import { readError } from '../lines.ts';
import type { TaskInfo } from '../task-index.ts';
import type { Rows } from './rows.ts';
import { mapRows } from './rows.ts';

export interface SuperNiInfo extends TaskInfo {
  /** Languages of inputs, outputs and instructions, e.g. `English`; the usual experiments keep tasks of English alone. */
  readonly languages: readonly string[];
}

export interface SuperNiFile {
  readonly info: SuperNiInfo;
  /** A row's number is the instance's, from 1. */
  readonly rows: Rows<FewShotExample>;
}

export function isSuperNi(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'Definition' in value && 'Instances' in value;
}

function texts(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}

/**
 * One JSON object per file. Throws FILE_NOT_FOUND, FILE_IO, FILE_FORMAT (not JSON, no definition or instances, a fixed
 * example that is none), ABORTED.
 */
export async function readSuperNi(file: string, task: string, signal?: AbortSignal): Promise<SuperNiFile> {
  const fail = (message: string, field?: string): never => {
    throw new HypertuneError('FILE_FORMAT', `${file}: ${message}.`, { field, remedy: 'Expected a task of Super-NaturalInstructions.' });
  };
  const bytes = await readFile(file, { signal }).catch((cause) => {
    throw readError(file, cause, signal);
  });
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    fail('not UTF-8 text, or too long for one string');
  }
  const parsed = parseJson(text);
  if ('fault' in parsed) return fail(parsed.fault);
  if (!isSuperNi(parsed.value)) return fail('there is no "Definition" or no "Instances"');
  const fields = parsed.value as Record<string, unknown>;
  const definition = texts(fields.Definition)[0];
  if (definition === undefined) fail('"Definition" is not a text', 'Definition');
  const instances = fields.Instances;
  if (!Array.isArray(instances)) return fail('"Instances" is not a list', 'Instances');
  const examples = fields['Positive Examples'] ?? [];
  if (!Array.isArray(examples)) return fail('"Positive Examples" is not a list', 'Positive Examples');
  const positives = examples.map((item, i) => {
    const example = withoutTask(item);
    if ('fault' in example) return fail(`positive example ${i + 1}: ${example.fault}`, 'Positive Examples');
    return { input: example.input, output: example.output };
  });
  const languages = [...new Set(['Input_language', 'Output_language', 'Instruction_language'].flatMap((field) => texts(fields[field])))];
  const category = texts(fields.Categories)[0];
  const info = { task, definition, source: texts(fields.Source)[0], category, languages, positive_examples: positives };
  return { info, rows: mapRows(numbered(instances), withoutTask) };
}

/** The task is the file's, whatever an instance says. */
function withoutTask(value: unknown): ReturnType<typeof toExample> {
  const example = toExample(value);
  if ('fault' in example) return example;
  const { input, output, outputs } = example;
  return { input, output, outputs };
}

async function* numbered(items: readonly unknown[]): Rows {
  yield items.map((value, i) => ({ line: i + 1, value }));
}
