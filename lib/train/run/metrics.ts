/** metrics.jsonl: one line per step and per validation, each once, however often the run was resumed. */
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { atomicWrite } from '../../files/atomic.ts';
import { fileError } from '../../files/io.ts';
import type { TrainingStep } from '../loop.ts';
import type { Validation } from './validation.ts';

export interface ValidationRecord {
  /** Steps done when it ran. */
  step: number;
  validation: Validation;
}

/** `time`: seconds since 1970 at which it was written. */
export type MetricRecord = (TrainingStep | ValidationRecord) & { time: number };

export function isValidation(record: MetricRecord): record is ValidationRecord & { time: number } {
  return 'validation' in record;
}

export class MetricsFile {
  /** What the file holds, in order. */
  readonly records: MetricRecord[];
  private readonly file: string;
  private readonly handle: FileHandle;

  private constructor(file: string, handle: FileHandle, records: MetricRecord[]) {
    this.file = file;
    this.handle = handle;
    this.records = records;
  }

  /** Opens the file behind what belongs to the first `steps` steps; later lines, and one cut in half, are taken out. */
  static async open(file: string, steps: number): Promise<MetricsFile> {
    try {
      const kept = (await readRecords(file)).filter((r) => (isValidation(r) ? r.step <= steps : r.step < steps));
      await atomicWrite(file, kept.map((r) => `${JSON.stringify(r)}\n`).join(''));
      return new MetricsFile(file, await open(file, 'a'), kept);
    } catch (cause) {
      throw fileError(cause, file, 'write');
    }
  }

  async append(entry: TrainingStep | ValidationRecord): Promise<MetricRecord> {
    const record = { ...entry, time: Date.now() / 1000 };
    this.records.push(record);
    try {
      await this.handle.appendFile(`${JSON.stringify(record)}\n`);
    } catch (cause) {
      throw fileError(cause, this.file, 'write');
    }
    return record;
  }

  /** On disk, so that a checkpoint written afterwards never knows more steps than the file. */
  async sync(): Promise<void> {
    try {
      await this.handle.sync();
    } catch (cause) {
      throw fileError(cause, this.file, 'write');
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

async function readRecords(file: string): Promise<MetricRecord[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cause;
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as MetricRecord];
    } catch {
      return []; // the last line of a process that was killed while it wrote
    }
  });
}
