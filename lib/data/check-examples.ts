/** Examples as a caller gives them. */
import { HypertuneError } from '../engine/errors.ts';
import type { Example } from './task.ts';

/** Throws EXAMPLES_EMPTY for no list or an empty one, ARGUMENT_INVALID naming the first field that is not a string. */
export function checkExamples(examples: readonly Example[], field: string): void {
  if (!Array.isArray(examples) || examples.length === 0) {
    throw new HypertuneError('EXAMPLES_EMPTY', 'no examples were given.', { field, remedy: 'Give at least one { input, output } pair.' });
  }
  examples.forEach((example: Partial<Example> | null | undefined, i) => {
    for (const key of ['input', 'output'] as const) {
      if (typeof example?.[key] !== 'string') throw new HypertuneError('ARGUMENT_INVALID', `${key} is not a string.`, { field: `${field}[${i}].${key}` });
    }
  });
}
