/** What is asked of a model, and under which conditions. */
import type { FewShotExample } from '../data/formats.ts';
import type { Example } from '../data/task.ts';
import type { EvalTask } from './task.ts';

/**
 * `none`: the frozen T5 alone. `right`: an adapter of the task's own examples; `wrong`: of those of another task of the group;
 * `permuted`: of its own with the labels exchanged; `static`: one adapter for all tasks. `in-context`: the examples in the T5's own input.
 */
export type Condition = 'none' | 'right' | 'wrong' | 'permuted' | 'static' | 'in-context';
export const CONDITIONS: readonly Condition[] = ['none', 'in-context', 'static', 'wrong', 'permuted', 'right'];

/** What a hypermodel reads; one object is adapted to once, however many queries share it. */
export interface Evidence {
  /** Whose examples they are. */
  readonly task: string;
  readonly examples: readonly Example[];
  readonly definition?: string;
}

/** One query with the evidence of its conditions; a condition that a task cannot have is absent. */
export interface Trial {
  readonly task: EvalTask;
  /** Number of the draw of shots, where a protocol has several. */
  readonly repeat: number;
  readonly query: FewShotExample;
  readonly right: Evidence;
  readonly wrong?: Evidence;
  readonly permuted?: Evidence;
}
