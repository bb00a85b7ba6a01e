/** What an evaluation asks of a model. */
import type { HyperKind } from '../hyper/config.ts';
import type { Evidence } from './trial.ts';

export interface SubjectRow<State> {
  readonly input: string;
  /** The adapter; absent: the frozen model alone. */
  readonly state?: State;
  /** Examples that go into the model's own input, in front of the query. */
  readonly context?: Evidence;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** A model that makes states (adapters) of evidence and answers under them; a test's may compute them by hand. */
export interface Subject<State> {
  /** Kinds of states it can make. */
  readonly kinds: readonly HyperKind[];
  adapt(evidence: readonly Evidence[], kind: HyperKind, options: CallOptions): Promise<State[]>;
  /** A state from a folder. */
  load(folder: string): Promise<State>;
  /** The mean of states of one kind. */
  mean(states: readonly State[]): Promise<State>;
  release(state: State): void;
  generate(rows: readonly SubjectRow<State>[], options: CallOptions & { maxNewTokens?: number }): Promise<string[]>;
  /** ln p of each candidate of each row, end token included. */
  score(rows: readonly SubjectRow<State>[], candidates: readonly (readonly string[])[], options: CallOptions): Promise<number[][]>;
  /** Tokens of an answer, the end token included. */
  tokens(answer: string): number;
}
