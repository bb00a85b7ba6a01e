/** Gathers records by task, at most `cap` of each, so that memory does not grow with the files. */
import type { FewShotExample } from './formats.ts';
import { Random } from './random.ts';
import type { TaskInfo } from './task-index.ts';
import type { ProblemLog, TaskReport } from './task-report.ts';
import { poolTask } from './task.ts';
import type { Task } from './task.ts';

export interface FolderTask extends Task {
  readonly examples: readonly FewShotExample[];
  readonly info: TaskInfo;
  /** Records in the files, those beyond the cap included. */
  readonly total: number;
}

export interface TaskCollection {
  /** In the order of their first records. */
  readonly tasks: FolderTask[];
  readonly report: TaskReport;
}

export interface CollectOptions {
  /** Most records kept of a task: a uniform sample, in the order of the file. Default: all. */
  cap?: number;
  /** Of that sample. */
  seed?: number;
  /** K of the episodes to come; tasks with fewer than K + 1 different inputs are reported as short. Default 16. */
  shots?: number;
  /** Which tasks to read; the others are passed over unread and unreported. */
  keep?: (info: TaskInfo) => boolean;
}

interface Kept {
  readonly ordinal: number;
  readonly example: FewShotExample;
}

/** One task while its records come in. */
interface Gathering {
  readonly info: TaskInfo;
  readonly kept: Kept[];
  readonly rng: Random;
  total: number;
  /** The options of the record before: equal lists are stored once. */
  options?: readonly string[];
}

function sameList(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a?.length === b.length && b.every((item, i) => item === a[i]);
}

export class TaskCollector {
  private readonly options: CollectOptions;
  private readonly log: ProblemLog;
  private readonly infos: Map<string, TaskInfo>;
  private readonly tasks = new Map<string, Gathering | 'unwanted'>();

  /** `infos` may still grow while records come in; a task's entry must be there before its first record. */
  constructor(log: ProblemLog, infos: Map<string, TaskInfo>, options: CollectOptions) {
    this.log = log;
    this.infos = infos;
    this.options = options;
  }

  /** Whether records of this task are wanted. */
  wants(task: string): boolean {
    return this.gathering(task) !== 'unwanted';
  }

  add(task: string, record: FewShotExample): void {
    const gathering = this.gathering(task);
    if (gathering === 'unwanted') return;
    this.log.records++;
    const example = withSharedOptions(record, gathering);
    const ordinal = gathering.total++;
    const { cap = Infinity } = this.options;
    if (ordinal < cap) gathering.kept.push({ ordinal, example });
    else {
      // Algorithm R (Vitter, "Random Sampling with a Reservoir", 1985): every record is kept with probability cap / total
      const slot = gathering.rng.int(ordinal + 1);
      if (slot < cap) gathering.kept[slot] = { ordinal, example };
    }
  }

  finish(): TaskCollection {
    const { shots = 16, cap = Infinity } = this.options;
    const [tasks, short, leftOut, capped]: [FolderTask[], string[], string[], string[]] = [[], [], [], []];
    for (const [id, gathering] of this.tasks) {
      if (gathering === 'unwanted') continue;
      const { info, kept, total } = gathering;
      const examples = kept.sort((a, b) => a.ordinal - b.ordinal).map(({ example }) => example);
      const inputs = new Set(examples.map(({ input }) => input)).size;
      if (total > cap) capped.push(id);
      if (inputs < 2) {
        leftOut.push(id);
        continue;
      }
      if (inputs < shots + 1) short.push(id);
      tasks.push({ ...poolTask(id, examples, info.definition ?? ''), examples, info, total, ...(info.positive_examples && { positives: info.positive_examples }) });
    }
    const { files, records, broken, problems } = this.log;
    return { tasks, report: { files, records, broken, problems, short, leftOut, capped } };
  }

  private gathering(task: string): Gathering | 'unwanted' {
    let gathering = this.tasks.get(task);
    if (gathering === undefined) {
      const info = this.infos.get(task) ?? { task };
      const wanted = this.options.keep?.(info) ?? true;
      gathering = wanted ? { info, kept: [], total: 0, rng: Random.stream(this.options.seed ?? 0, 'cap', task) } : 'unwanted';
      this.tasks.set(task, gathering);
    }
    return gathering;
  }
}

function withSharedOptions(record: FewShotExample, gathering: Gathering): FewShotExample {
  if (record.options === undefined) return record;
  if (sameList(gathering.options, record.options)) return { ...record, options: gathering.options };
  gathering.options = record.options;
  return record;
}
