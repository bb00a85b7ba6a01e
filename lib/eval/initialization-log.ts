/** The runs of an experiment as JSON Lines, so that a stopped one goes on where it was: settings first, then one line per run. */
import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises';
import path from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import type { StartRun } from './initialization.ts';

export class RunLog {
  readonly runs: StartRun[];
  private readonly file: string;

  private constructor(file: string, runs: StartRun[]) {
    this.file = file;
    this.runs = runs;
  }

  /**
   * Opens or begins a log. A line that was cut off by a kill is taken away. Throws ARGUMENT_INVALID where the log is of other
   * settings, FILE_FORMAT where it is no log, FILE_IO.
   */
  static async open(file: string, settings: object): Promise<RunLog> {
    const head = JSON.stringify({ settings });
    const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return Buffer.alloc(0);
      throw new HypertuneError('FILE_IO', `cannot read ${file}: ${cause.message}.`, { field: 'out', cause });
    });
    const whole = bytes.lastIndexOf('\n') + 1;
    const lines = bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1);
    if (lines.length && lines[0] !== head) {
      throw new HypertuneError('ARGUMENT_INVALID', `${file} is of other settings: ${lines[0]}.`, { field: 'out', remedy: 'Give the same settings to go on, or another folder.' });
    }
    const runs = lines.slice(1).map((line, i) => parseRun(line, `${file}:${i + 2}`));
    const log = new RunLog(file, runs);
    await log.write(async () => {
      await mkdir(path.dirname(file), { recursive: true });
      if (whole < bytes.length) await truncate(file, whole);
      if (lines.length === 0) await appendFile(file, `${head}\n`);
    });
    return log;
  }

  /** Throws FILE_IO. */
  async append(run: StartRun): Promise<void> {
    await this.write(() => appendFile(this.file, `${JSON.stringify(run)}\n`));
    this.runs.push(run);
  }

  private async write(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      throw new HypertuneError('FILE_IO', `cannot write ${this.file}: ${(cause as Error).message}.`, { field: 'out', cause });
    }
  }
}

function parseRun(line: string, where: string): StartRun {
  try {
    const run = JSON.parse(line) as StartRun;
    if (typeof run.task === 'string' && Number.isInteger(run.seed) && Array.isArray(run.curves)) return run;
  } catch {
    // Reported below: it is no run either way.
  }
  throw new HypertuneError('FILE_FORMAT', `${where}: not a run of this experiment.`, { field: 'out', remedy: 'Give another folder, or take the line away.' });
}
