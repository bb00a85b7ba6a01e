/** Few-shot examples in the T5's own input (Min et al., arXiv 2110.15943; token layout of arXiv 2211.12485): the in-context baseline of a hypermodel. */
import { fieldMarkers } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';
import { hyperInput } from './hyper-input.ts';
import type { Example } from './task.ts';

export interface InContext {
  readonly examples: readonly Example[];
  /** Put in front of the examples. */
  readonly definition?: string;
}

/**
 * `[definition] (<x> input <y> answer)* <x> query`, int32 [at most maxTokens, or the query alone]. Examples that do not fit are left out whole,
 * the last ones first; the query is never cut here.
 */
export function inContextInput(encoder: TokenEncoder, { examples, definition }: InContext, query: Int32Array, maxTokens: number): Int32Array {
  const room = maxTokens - query.length - 1;
  if (room < 1 || (examples.length === 0 && !definition)) return query;
  const { ids, truncated } = hyperInput(encoder, examples, { maxTokens: room, definition });
  return truncated ? query : Int32Array.from([...ids, fieldMarkers(encoder).x, ...query]);
}
