/** Asks a subject all queries under all conditions, in batches that mix tasks and conditions. */
import { HypertuneError } from '../engine/errors.ts';
import type { HyperKind } from '../hyper/config.ts';
import { argmax } from './metrics/rank.ts';
import type { Answer } from './scores.ts';
import type { Subject, SubjectRow } from './subject.ts';
import type { Condition, Evidence, Trial } from './trial.ts';

/** One query under one condition. */
export interface Cell<State> {
  readonly trial: Trial;
  readonly condition: Condition;
  /** Absent where no adapter of a hypermodel is in play. */
  readonly kind?: HyperKind;
  readonly evidence?: Evidence;
  /** A state made beforehand. */
  readonly state?: State;
  readonly context?: Evidence;
}

export interface RunOptions {
  /** Whether answers are generated; likelihoods are always computed. */
  generate: boolean;
  maxNewTokens?: number;
  /** Queries per call; evidence sets per call are a quarter of it. */
  batch?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Candidate tokens per scoring call: each costs a row of the vocabulary. */
const CANDIDATE_TOKENS = 2048;

/** One answer per cell. Cells that share evidence should be neighbours: a state lives as long as consecutive batches use it. */
export async function answerCells<State>(subject: Subject<State>, cells: readonly Cell<State>[], options: RunOptions): Promise<Answer[]> {
  const { batch = 64, signal, onProgress } = options;
  const states = new EvidenceStates(subject, Math.max(1, batch >> 2));
  const answers: Answer[] = [];
  try {
    for (let i = 0; i < cells.length; i += batch) {
      checkAborted(signal);
      const part = cells.slice(i, i + batch);
      await states.hold(part, signal);
      const rows = part.map((cell): SubjectRow<State> => ({ input: cell.trial.query.input, state: states.of(cell), context: cell.context }));
      answers.push(...(await answerRows(subject, part, rows, options)));
      onProgress?.(answers.length, cells.length);
    }
    return answers;
  } finally {
    states.release();
  }
}

async function answerRows<State>(subject: Subject<State>, cells: readonly Cell<State>[], rows: readonly SubjectRow<State>[], { generate, maxNewTokens, signal }: RunOptions): Promise<Answer[]> {
  const texts = generate ? await subject.generate(rows, { maxNewTokens, signal }) : undefined;
  const candidates = cells.map(({ trial: { query } }) => [...new Set([query.output, ...(query.options ?? [])])]);
  const scores: number[][] = [];
  for (const [from, to] of spans(candidates.map((list) => list.reduce((sum, text) => sum + subject.tokens(text), 0)), CANDIDATE_TOKENS)) {
    scores.push(...(await subject.score(rows.slice(from, to), candidates.slice(from, to), { signal })));
  }
  return cells.map(({ trial: { query } }, i) => {
    if (!scores[i].every(Number.isFinite)) throw new HypertuneError('NUMERIC', `an answer of task ${cells[i].trial.task.id} has a log-likelihood that is not finite.`, { field: 'logLikelihood', remedy: 'Look for non-finite values in the weights or the adapter.' });
    const options = query.options?.length ? [...new Set(query.options)] : undefined;
    return {
      ...(texts && { text: texts[i] }),
      logLikelihood: scores[i][0],
      tokens: subject.tokens(query.output),
      ...(options && { ranked: options[argmax(options.map((option) => scores[i][candidates[i].indexOf(option)]))] }),
    };
  });
}

/** Consecutive spans whose sizes add up to at most `limit`, or hold one item. */
function spans(sizes: readonly number[], limit: number): [number, number][] {
  const out: [number, number][] = [];
  let [from, sum] = [0, 0];
  sizes.forEach((size, i) => {
    if (i > from && sum + size > limit) {
      out.push([from, i]);
      [from, sum] = [i, 0];
    }
    sum += size;
  });
  return sizes.length ? [...out, [from, sizes.length]] : out;
}

/** The states of the evidence in use. */
class EvidenceStates<State> {
  private readonly subject: Subject<State>;
  private readonly setsPerCall: number;
  private readonly held = new Map<HyperKind, Map<Evidence, State>>();

  constructor(subject: Subject<State>, setsPerCall: number) {
    this.subject = subject;
    this.setsPerCall = setsPerCall;
  }

  of({ kind, evidence, state }: Cell<State>): State | undefined {
    return evidence && kind ? this.held.get(kind)!.get(evidence) : state;
  }

  /** Releases what `cells` do not need and adapts to what is missing. */
  async hold(cells: readonly Cell<State>[], signal: AbortSignal | undefined): Promise<void> {
    const needed = new Map<HyperKind, Set<Evidence>>();
    for (const { kind, evidence } of cells) if (kind && evidence) needed.set(kind, (needed.get(kind) ?? new Set()).add(evidence));
    this.release((kind, evidence) => !needed.get(kind)?.has(evidence));
    for (const [kind, all] of needed) {
      const held = this.held.get(kind) ?? new Map<Evidence, State>();
      this.held.set(kind, held);
      const missing = [...all].filter((evidence) => !held.has(evidence));
      for (let i = 0; i < missing.length; i += this.setsPerCall) {
        const part = missing.slice(i, i + this.setsPerCall);
        const states = await this.subject.adapt(part, kind, { signal });
        part.forEach((evidence, j) => held.set(evidence, states[j]));
      }
    }
  }

  release(which: (kind: HyperKind, evidence: Evidence) => boolean = () => true): void {
    for (const [kind, states] of this.held) {
      for (const [evidence, state] of states) {
        if (!which(kind, evidence)) continue;
        states.delete(evidence);
        this.subject.release(state);
      }
    }
  }
}

/** Throws ABORTED once `signal` is. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HypertuneError('ABORTED', 'the evaluation was interrupted.', { field: 'signal' });
}
