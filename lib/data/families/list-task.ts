/** Functions of a word list as tasks. */
import { HypertuneError } from '../../engine/errors.ts';
import type { Random } from '../random.ts';
import type { Task, TaskKind } from '../task.ts';
import { LIST_WORDS } from './words.ts';

export type ListFunction = (words: readonly string[]) => string[];

/** How many words a generated list has, both ends included. */
export interface ListLength {
  readonly minWords: number;
  readonly maxWords: number;
}

/** A task whose answer is a function of its input's words alone. */
export interface ListTask extends Task {
  apply: ListFunction;
}

/** Different words in random order. */
export function sampleList(rng: Random, length: ListLength): string[] {
  return rng.pick(LIST_WORDS, rng.between(length.minWords, length.maxWords));
}

/** Throws ARGUMENT_RANGE unless 4 <= minWords <= maxWords <= 12; every primitive has an answer from 4 words on. */
export function checkListLength(length: ListLength): void {
  const { minWords, maxWords } = length;
  if (!Number.isInteger(minWords) || !Number.isInteger(maxWords) || minWords < 4 || maxWords < minWords || maxWords > 12) {
    throw new HypertuneError('ARGUMENT_RANGE', `expected 4 <= minWords <= maxWords <= 12, got ${minWords} and ${maxWords}`, {
      field: 'minWords',
    });
  }
}

export function listTask(id: string, kind: TaskKind, description: string, apply: ListFunction, length: ListLength): ListTask {
  return {
    id,
    kind,
    description,
    apply,
    sample(rng) {
      const words = sampleList(rng, length);
      return { input: words.join(' '), output: apply(words).join(' ') };
    },
  };
}
