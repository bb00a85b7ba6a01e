/** A subject whose answers follow from rules that a test can work out by hand. */
import type { FewShotExample } from '../../lib/data/formats.ts';
import type { EvalTask } from '../../lib/eval/task.ts';
import { closedLabels, splitLines } from '../../lib/eval/task.ts';
import type { CallOptions, Subject, SubjectRow } from '../../lib/eval/subject.ts';
import type { Evidence } from '../../lib/eval/trial.ts';
import type { HyperKind } from '../../lib/hyper/config.ts';

/** What was read: one piece of evidence, or several under `mean`. */
export interface FakeState {
  readonly kind: HyperKind | 'loaded';
  readonly evidence: readonly Evidence[];
}

/** The answer to a query under a state; undefined state: the model alone. */
export type Rule = (input: string, state: FakeState | undefined, context: Evidence | undefined) => string;

export class FakeSubject implements Subject<FakeState> {
  readonly kinds: readonly HyperKind[] = ['lora'];
  readonly live = new Set<FakeState>();
  readonly adapted: Evidence[] = [];
  readonly batches: number[] = [];
  private readonly rule: Rule;

  constructor(rule: Rule) {
    this.rule = rule;
  }

  async adapt(evidence: readonly Evidence[], kind: HyperKind): Promise<FakeState[]> {
    this.adapted.push(...evidence);
    return evidence.map((one) => this.keep({ kind, evidence: [one] }));
  }

  async load(): Promise<FakeState> {
    return this.keep({ kind: 'loaded', evidence: [] });
  }

  async mean(states: readonly FakeState[]): Promise<FakeState> {
    return this.keep({ kind: states[0].kind, evidence: states.flatMap(({ evidence }) => evidence) });
  }

  release(state: FakeState): void {
    if (!this.live.delete(state)) throw new Error('released twice');
  }

  async generate(rows: readonly SubjectRow<FakeState>[], { signal }: CallOptions): Promise<string[]> {
    signal?.throwIfAborted();
    this.batches.push(rows.length);
    return rows.map((row) => this.answer(row));
  }

  /** -1 nat for what it would answer, -2 per token for everything else. */
  async score(rows: readonly SubjectRow<FakeState>[], candidates: readonly (readonly string[])[]): Promise<number[][]> {
    return rows.map((row, i) => candidates[i].map((candidate) => (candidate === this.answer(row) ? -1 : -2 * this.tokens(candidate))));
  }

  tokens(answer: string): number {
    return answer.split(' ').length + 1;
  }

  private answer({ input, state, context }: SubjectRow<FakeState>): string {
    if (state && !this.live.has(state)) throw new Error('a released state was used');
    return this.rule(input, state, context);
  }

  private keep(state: FakeState): FakeState {
    this.live.add(state);
    return state;
  }
}

/** A task of `lines` examples `<id> <number>` -> answer of the number. */
export function fakeTask(id: string, answer: (i: number) => string, { lines = 64, group = 'g', options, ...rest }: { lines?: number; group?: string; options?: readonly string[] } & Partial<EvalTask> = {}): EvalTask {
  const examples = Array.from({ length: lines }, (_, i): FewShotExample => ({ input: `${id} ${i}`, output: answer(i), outputs: [answer(i)], ...(options && { options }) }));
  return { id, group, cluster: id, positives: [], labels: closedLabels(examples), ...splitLines(examples), ...rest };
}

/** Number of a query of such a task. */
export const numberOf = (input: string) => Number(input.split(' ').at(-1));
export const taskOf = (input: string) => input.slice(0, input.lastIndexOf(' '));
