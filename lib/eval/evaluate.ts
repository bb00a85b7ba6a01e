/** An evaluation from tasks to summaries. */
import { Random } from '../data/random.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { HyperKind } from '../hyper/config.ts';
import { drawShots } from './draws.ts';
import type { AnswerForm } from './metrics/exact-match.ts';
import type { Protocol, Settings } from './protocols/protocol.ts';
import { collect } from './collect.ts';
import type { TaskResult } from './result.ts';
import { answerCells, checkAborted } from './run.ts';
import type { Cell } from './run.ts';
import type { Subject } from './subject.ts';
import { summarize } from './summary.ts';
import type { GroupSummary } from './summary.ts';
import { whyNot } from './task.ts';
import type { EvalTask, Skipped } from './task.ts';
import { CONDITIONS } from './trial.ts';
import type { Condition, Trial } from './trial.ts';

/** The adapter of condition `static`: of a folder, or for each kind the mean of those generated for (at most `count`, default 64) tasks of training. */
export type StaticSource = { folder: string } | { tasks: readonly EvalTask[]; count?: number };

export interface EvaluateOptions extends Partial<Settings> {
  protocol: Protocol;
  /** Default: all that the subject can make. */
  kinds?: readonly HyperKind[];
  /** Default: the protocol's; `static` needs a source. */
  conditions?: readonly Condition[];
  static?: StaticSource;
  /** How exact match compares; default `plain`. */
  form?: AnswerForm;
  /** Queries per call. */
  batch?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export interface Evaluation {
  readonly protocol: string;
  readonly settings: Settings;
  readonly kinds: readonly HyperKind[];
  readonly conditions: readonly Condition[];
  readonly results: readonly TaskResult[];
  readonly summaries: readonly GroupSummary[];
  readonly skipped: readonly Skipped[];
}

/** Evidence sets read in one call for the static adapter. */
const SETS_PER_CALL = 8;

/**
 * Everything random is a function of the seed. Throws ARGUMENT_INVALID where no task can be evaluated or no condition is left, ARGUMENT_RANGE
 * for counts below 1 (shots: 0 for protocol `sni`), ABORTED, and what the subject throws.
 */
export async function evaluate<State>(subject: Subject<State>, tasks: readonly EvalTask[], options: EvaluateOptions): Promise<Evaluation> {
  const { protocol, signal } = options;
  const settings = settingsOf(options);
  const kinds = options.kinds ?? subject.kinds;
  const conditions = (options.conditions ?? protocol.conditions).filter((condition) => condition !== 'static' || options.static);
  if (kinds.length === 0) throw new HypertuneError('CONFIG_UNSUPPORTED', 'the model has no hypermodel to evaluate.', { field: 'kinds', remedy: 'Take a folder with hyper-both, hyper-prefix or hyper-lora, such as weights/tiny.' });
  if (conditions.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'no condition is left.', { field: 'conditions', remedy: 'Condition `static` needs an adapter or tasks of training.' });
  const twice = tasks.find(({ id }, i) => tasks.findIndex((task) => task.id === id) !== i);
  if (twice) throw new HypertuneError('ARGUMENT_INVALID', `two tasks are named ${twice.id}.`, { field: 'tasks' });
  const { trials, skipped } = protocol.plan(tasks, settings);
  if (trials.length === 0) {
    const why = skipped.length ? ` The first was left out for this reason: ${skipped[0].reason} (${skipped[0].task}).` : '';
    throw new HypertuneError('ARGUMENT_INVALID', `none of ${tasks.length} tasks can be evaluated under protocol ${protocol.name}.${why}`, { field: 'tasks' });
  }
  const fixed = new Map<HyperKind, State>();
  try {
    if (conditions.includes('static')) await makeStatic(subject, kinds, options.static!, settings, fixed, signal);
    const cells = cellsOf(trials, kinds, conditions, fixed);
    const { generates: generate, maxNewTokens } = protocol;
    const answers = await answerCells(subject, cells, { generate, maxNewTokens, batch: options.batch, signal, onProgress: options.onProgress });
    const results = collect(cells, answers, kinds, options.form);
    return { protocol: protocol.name, settings, kinds, conditions, results, summaries: summarize(results, protocol, settings.seed), skipped };
  } finally {
    for (const state of new Set(fixed.values())) subject.release(state);
  }
}

function settingsOf({ protocol, shots, queries, seed, adapterPer }: EvaluateOptions): Settings {
  const given = Object.fromEntries(Object.entries({ shots, queries, seed, adapterPer }).filter(([, value]) => value !== undefined));
  const settings = { ...protocol.defaults, ...given };
  const least = protocol.name === 'sni' ? 0 : 1;
  for (const [field, low] of [['shots', least], ['queries', 1]] as const) {
    const value = settings[field];
    if (!(value >= low) || (!Number.isInteger(value) && value !== Infinity)) throw new HypertuneError('ARGUMENT_RANGE', `expected a whole number from ${low} on, got ${value}.`, { field });
  }
  return settings;
}

/** Cells in the order of the trials, first those without a hypermodel. */
function cellsOf<State>(trials: readonly Trial[], kinds: readonly HyperKind[], conditions: readonly Condition[], fixed: ReadonlyMap<HyperKind, State>): Cell<State>[] {
  const asked = CONDITIONS.filter((c) => conditions.includes(c));
  // Without a hypermodel a new draw of shots changes nothing, unless the shots are in the input.
  const alone = trials.flatMap((trial) => asked.filter((c) => c === 'in-context' || (c === 'none' && trial.repeat === 0)).map((condition): Cell<State> => ({ trial, condition, context: condition === 'in-context' ? trial.right : undefined })));
  const adapted = kinds.flatMap((kind) => trials.flatMap((trial) => asked.flatMap((condition): Cell<State>[] => {
    if (condition === 'static') return trial.repeat === 0 ? [{ trial, condition, kind, state: fixed.get(kind) }] : [];
    if (condition === 'none' || condition === 'in-context') return [];
    const evidence = trial[condition];
    return evidence ? [{ trial, condition, kind, evidence }] : [];
  })));
  return [...alone, ...adapted];
}

async function makeStatic<State>(subject: Subject<State>, kinds: readonly HyperKind[], source: StaticSource, { shots, seed }: Settings, fixed: Map<HyperKind, State>, signal: AbortSignal | undefined): Promise<void> {
  if ('folder' in source) {
    const state = await subject.load(source.folder);
    for (const kind of kinds) fixed.set(kind, state);
    return;
  }
  const tasks = Random.stream(seed, 'static').shuffle(source.tasks.filter((task) => whyNot(task) === undefined)).slice(0, source.count ?? 64);
  if (tasks.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'there is no task to average adapters over.', { field: 'static' });
  const evidence = tasks.map((task) => drawShots(task, Math.max(1, shots), Random.stream(seed, 'static', task.id)));
  for (const kind of kinds) {
    const states: State[] = [];
    try {
      for (let i = 0; i < evidence.length; i += SETS_PER_CALL) {
        checkAborted(signal);
        states.push(...(await subject.adapt(evidence.slice(i, i + SETS_PER_CALL), kind, { signal })));
      }
      fixed.set(kind, await subject.mean(states));
    } finally {
      for (const state of states) subject.release(state);
    }
  }
}
