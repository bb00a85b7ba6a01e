/** List operations with a fixed word: what the examples must convey is the word's identity. */
import type { Random } from '../random.ts';
import { listTask } from './list-task.ts';
import type { ListLength, ListTask } from './list-task.ts';
import { LIST_WORDS } from './words.ts';

type Operation = readonly [name: string, describe: (word: string) => string, apply: (words: readonly string[], word: string) => string[]];

const OPERATIONS: readonly Operation[] = [
  ['append', (c) => `append ${c}`, (w, c) => [...w, c]],
  ['prepend', (c) => `prepend ${c}`, (w, c) => [c, ...w]],
  ['replace-first', (c) => `replace first with ${c}`, (w, c) => w.with(0, c)],
  ['replace-second', (c) => `replace second with ${c}`, (w, c) => w.with(1, c)],
  ['replace-last', (c) => `replace last with ${c}`, (w, c) => w.with(-1, c)],
  ['after-first', (c) => `insert ${c} after first`, (w, c) => w.toSpliced(1, 0, c)],
  ['before-last', (c) => `insert ${c} before last`, (w, c) => w.toSpliced(-1, 0, c)],
];

export function drawConstantTask(rng: Random, length: ListLength): ListTask {
  const [name, describe, apply] = rng.choice(OPERATIONS);
  const word = rng.choice(LIST_WORDS);
  return listTask(`constant/${name}/${word}`, 'constant', describe(word), (words) => apply(words, word), length);
}
