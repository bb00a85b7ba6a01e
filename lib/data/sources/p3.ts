/**
 * P3 as published (Sanh et al., arXiv 2110.08207): `inputs_pretokenized`, `targets_pretokenized`, maybe `answer_choices`. In
 * the files for rank classification every candidate answer is a row, with `is_correct`; those rows are put together again.
 */
import type { FewShotExample, RecordFault } from '../formats.ts';
import type { Row, Rows } from './rows.ts';

interface P3Record {
  readonly input: string;
  readonly target: string;
  readonly choices?: readonly string[];
  readonly correct?: boolean;
  /** Number of the example that a candidate belongs to. */
  readonly example?: string;
}

/** Candidates of one example. */
interface Group {
  readonly line: number;
  readonly input: string;
  readonly example?: string;
  readonly candidates: string[];
  readonly correct: string[];
}

export function isP3(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'inputs_pretokenized' in value && 'targets_pretokenized' in value;
}

function parse(value: unknown): P3Record | RecordFault {
  if (typeof value !== 'object' || value === null) return { fault: 'not an object' };
  const { inputs_pretokenized: input, targets_pretokenized: target, answer_choices: choices, is_correct: correct, idx } = value as Record<string, unknown>;
  if (typeof input !== 'string') return { fault: 'field "inputs_pretokenized" is not a string' };
  if (typeof target !== 'string') return { fault: 'field "targets_pretokenized" is not a string' };
  if (correct !== undefined && typeof correct !== 'boolean') return { fault: 'field "is_correct" is not a boolean' };
  const listed = choices ?? undefined;
  if (listed !== undefined && !(Array.isArray(listed) && listed.every((choice) => typeof choice === 'string'))) {
    return { fault: 'field "answer_choices" is not a list of strings' };
  }
  const example = Array.isArray(idx) ? String(idx[0]) : undefined;
  return { input: input.trim(), target: target.trim(), choices: listed?.map((choice) => choice.trim()), correct, example };
}

function isOf(group: Group, { input, target, example }: P3Record): boolean {
  if (group.input !== input || group.example !== example) return false;
  return example !== undefined || !group.candidates.includes(target); // some sets hold an example twice in a row
}

function finish({ line, input, candidates, correct }: Group): Row<FewShotExample> {
  if (correct.length === 0) return { line, problem: 'no candidate of this example is correct' };
  return { line, value: { input, output: correct[0], outputs: correct, options: candidates } };
}

/** Puts candidates together; an example comes out with the first row that is not its own. */
class Gathering {
  private group: Group | undefined;

  take(row: Row): Row<FewShotExample>[] {
    const record = 'problem' in row ? { fault: row.problem } : parse(row.value);
    if ('fault' in record) return [{ line: row.line, problem: record.fault }];
    const done = this.group && isOf(this.group, record) ? [] : this.flush();
    const { input, target, choices, correct, example } = record;
    if (correct === undefined) {
      return [...done, { line: row.line, value: { input, output: target, outputs: [target], ...(choices && choices.length > 0 && { options: choices }) } }];
    }
    this.group ??= { line: row.line, input, example, candidates: [], correct: [] };
    this.group.candidates.push(target);
    if (correct) this.group.correct.push(target);
    return done;
  }

  flush(): Row<FewShotExample>[] {
    const done = this.group && [finish(this.group)];
    this.group = undefined;
    return done ?? [];
  }
}

/** White space around inputs and targets, which the templates leave, is trimmed. */
export async function* p3Examples(rows: Rows): Rows<FewShotExample> {
  const gathering = new Gathering();
  for await (const batch of rows) yield batch.flatMap((row) => gathering.take(row));
  yield gathering.flush();
}
