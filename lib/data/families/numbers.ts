/** Small tasks with numbers: picking and ordering them, adding a little, counting words. */
import type { Random } from '../random.ts';
import type { Example, Task } from '../task.ts';
import { LIST_WORDS } from './words.ts';

type NumberFunction = readonly [name: string, description: string, apply: (numbers: readonly number[]) => readonly number[]];

const LIST_FUNCTIONS: readonly NumberFunction[] = [
  ['first', 'first number', (n) => n.slice(0, 1)],
  ['last', 'last number', (n) => n.slice(-1)],
  ['largest', 'largest', (n) => [Math.max(...n)]],
  ['smallest', 'smallest', (n) => [Math.min(...n)]],
  ['sort', 'sort numbers', (n) => n.toSorted((a, b) => a - b)],
  ['drop-largest', 'drop largest', (n) => n.filter((x) => x !== Math.max(...n))],
  ['plus-one', 'add one to each', (n) => n.map((x) => x + 1)],
  ['plus-two', 'add two to each', (n) => n.map((x) => x + 2)],
];

function numberListTask([name, description, apply]: NumberFunction): Task {
  return {
    id: `number/${name}`,
    kind: 'number',
    description,
    sample(rng): Example {
      const numbers = distinctNumbers(rng, rng.between(3, 4));
      return { input: numbers.join(' '), output: apply(numbers).join(' ') };
    },
  };
}

function distinctNumbers(rng: Random, count: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(rng.int(100));
  return [...found];
}

const COUNT_WORDS: Task = {
  id: 'number/count-words',
  kind: 'number',
  description: 'count words',
  sample(rng): Example {
    const words = rng.pick(LIST_WORDS, rng.between(1, 7));
    return { input: words.join(' '), output: String(words.length) };
  },
};

export const NUMBER_TASKS: readonly Task[] = [...LIST_FUNCTIONS.map(numberListTask), COUNT_WORDS];
