/**
 * Does a generated adapter start further tuning better than a shared or a random one (HyperTuning, Phang et al. 2023, on
 * initialisation)? The same method, sizes, examples, optimiser and rates from three starts; held-out queries along the way.
 */
import type { Adapter } from '../adapters/adapter.ts';
import type { FewShotExample } from '../data/formats.ts';
import { Random } from '../data/random.ts';
import { drawDistinct, poolTask } from '../data/task.ts';
import type { Example } from '../data/task.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { HyperKind } from '../hyper/config.ts';
import type { HyperT5 } from '../hyper/hypert5.ts';
import { exactMatch } from './metrics/exact-match.ts';

/** `generated` from the task's examples; `shared`: trained on many tasks; `random`: the usual start of the method. */
export type Start = 'generated' | 'shared' | 'random';
export const STARTS: readonly Start[] = ['generated', 'shared', 'random'];

/** A task's lines for training and, with other inputs, for queries. */
export interface StartTask {
  readonly id: string;
  readonly support: readonly FewShotExample[];
  readonly queries: readonly FewShotExample[];
}

export interface StartSettings {
  kind: HyperKind;
  /** Examples of a task that are read and trained on, drawn anew for each seed. */
  shots: number;
  /** Queries of a task, the same for all seeds and starts. */
  queries: number;
  seeds: number;
  /** Learning rates, each tried from every start. */
  rates: readonly number[];
  /** Steps after which the queries are asked, ascending from 0; the last ends the tuning. */
  at: readonly number[];
  batchRows: number;
  /** Of all draws. */
  seed: number;
}

/** Values at each of `at`. */
export interface Measured {
  /** Share of exact answers. */
  exact: number[];
  /** Mean ln p of the first acceptable answer, end token included. */
  logLikelihood: number[];
}

export interface Curve extends Measured {
  rate: number;
  /** Step at which loss or gradient was not finite; the values behind it repeat the last one before. */
  diverged?: number;
}

/** One task and seed from one start, at every rate. */
export interface StartRun {
  task: string;
  seed: number;
  start: Start;
  curves: Curve[];
}

export interface StartContext {
  shared: Adapter;
  /** Runs of an earlier call, which are not repeated. */
  done?: readonly StartRun[];
  signal?: AbortSignal;
}

/** One item per task, seed and start that is not yet done. Throws ABORTED, ADAPTER_MISMATCH where the shared adapter has other sizes. */
export async function* compareStarts(model: HyperT5, tasks: readonly StartTask[], settings: StartSettings, { shared, done = [], signal }: StartContext): AsyncGenerator<StartRun> {
  const key = ({ task, seed, start }: Omit<StartRun, 'curves'>) => JSON.stringify([task, seed, start]);
  const known = new Set(done.map(key));
  for (const task of tasks) {
    const queries = Random.stream(settings.seed, 'queries', task.id).pick(task.queries, Math.min(settings.queries, task.queries.length));
    for (let seed = 0; seed < settings.seeds; seed++) {
      const starts = STARTS.filter((start) => !known.has(key({ task: task.id, seed, start })));
      if (starts.length === 0) continue;
      const shots = drawDistinct(poolTask(task.id, task.support), settings.shots, Random.stream(settings.seed, 'shots', task.id, seed));
      const generated = await model.adapt(shots, { kind: settings.kind, signal });
      if (shared.parameters !== generated.parameters || shared.kind !== generated.kind) {
        throw new HypertuneError('ADAPTER_MISMATCH', `the shared start is a ${shared.kind} of ${shared.parameters} values, a generated one a ${generated.kind} of ${generated.parameters}.`, { field: 'shared', remedy: 'Give one of the same kind and size, or none.' });
      }
      const random = await model.newAdapter({ like: generated, seed });
      const adapters: Record<Start, Adapter> = { generated, shared, random };
      try {
        for (const start of starts) yield { task: task.id, seed, start, curves: await tuneAt(model, adapters[start], shots, queries, { ...settings, seed }, signal) };
      } finally {
        generated.dispose();
        random.dispose();
      }
    }
  }
}

/** One curve per rate; step 0 is the same for all. */
async function tuneAt(model: HyperT5, start: Adapter, shots: readonly Example[], queries: readonly FewShotExample[], { rates, at, batchRows, seed }: StartSettings, signal: AbortSignal | undefined): Promise<Curve[]> {
  const first = await ask(model, start, queries, signal);
  const curves: Curve[] = [];
  for (const rate of rates) {
    const curve: Curve = { rate, exact: [first.exact], logLikelihood: [first.logLikelihood] };
    const add = ({ exact, logLikelihood }: Answers) => {
      curve.exact.push(exact);
      curve.logLikelihood.push(logLikelihood);
    };
    try {
      const last = await start.tune(shots, {
        steps: at[at.length - 1], learningRate: rate, batchRows, seed, signal,
        onStep: async ({ step, snapshot }) => {
          if (!at.includes(step + 1)) return;
          const adapter = await snapshot();
          add(await ask(model, adapter, queries, signal));
          adapter.dispose();
        },
      });
      last.dispose();
    } catch (error) {
      if (!(error instanceof HypertuneError && error.code === 'NUMERIC')) throw error;
      curve.diverged = at[curve.exact.length];
      while (curve.exact.length < at.length) add({ exact: curve.exact.at(-1)!, logLikelihood: curve.logLikelihood.at(-1)! });
    }
    curves.push(curve);
  }
  return curves;
}

interface Answers {
  exact: number;
  logLikelihood: number;
}

async function ask(model: HyperT5, adapter: Adapter, queries: readonly FewShotExample[], signal: AbortSignal | undefined): Promise<Answers> {
  const inputs = queries.map(({ input }) => input);
  const answers = await model.generate(inputs, { adapter, signal });
  const scores = await model.score(inputs, queries.map(({ output }) => [output]), { adapter, signal });
  return {
    exact: answers.reduce((sum, answer, i) => sum + exactMatch(answer, queries[i].outputs), 0) / queries.length,
    logLikelihood: scores.reduce((sum, { logLikelihoods }) => sum + logLikelihoods[0], 0) / queries.length,
  };
}
