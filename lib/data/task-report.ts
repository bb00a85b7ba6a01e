/** What reading tasks found wrong or left out; nothing is dropped without a line here. */
import { HypertuneError } from '../engine/errors.ts';

export interface RecordProblem {
  readonly file: string;
  /** Line, row or record of the file, from 1; 0 for the whole file. */
  readonly line: number;
  readonly message: string;
}

export interface TaskReport {
  readonly files: number;
  /** Sound records. */
  readonly records: number;
  readonly broken: number;
  /** The first of the broken ones, as many as `maxProblems` says. */
  readonly problems: readonly RecordProblem[];
  /** Tasks with fewer different inputs than an episode of K shots and one query needs. */
  readonly short: readonly string[];
  /** Tasks with fewer than two different inputs, of which no episode can be made. */
  readonly leftOut: readonly string[];
  /** Tasks that have more records than were kept. */
  readonly capped: readonly string[];
}

/** Counts records and keeps the first problems. */
export class ProblemLog {
  files = 0;
  records = 0;
  broken = 0;
  readonly problems: RecordProblem[] = [];
  private readonly strict: boolean;
  private readonly maxProblems: number;

  constructor(strict: boolean, maxProblems: number) {
    this.strict = strict;
    this.maxProblems = maxProblems;
  }

  /** Throws FILE_FORMAT where reading is strict. */
  add(file: string, line: number, message: string): void {
    if (this.strict) throw new HypertuneError('FILE_FORMAT', `${file}:${line}: ${message}.`, { field: 'path', remedy: 'Mend the record, or read without `strict`.' });
    this.broken++;
    if (this.problems.length < this.maxProblems) this.problems.push({ file, line, message });
  }
}
