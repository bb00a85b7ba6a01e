/** Operations around a marker word that stands somewhere inside the list. */
import type { Random } from '../random.ts';
import type { Task } from '../task.ts';
import type { ListLength } from './list-task.ts';
import { LIST_WORDS } from './words.ts';

type Operation = readonly [name: string, describe: (marker: string) => string, apply: (words: readonly string[], at: number) => string[]];

const OPERATIONS: readonly Operation[] = [
  ['next', (m) => `word after ${m}`, (w, at) => [w[at + 1]]],
  ['previous', (m) => `word before ${m}`, (w, at) => [w[at - 1]]],
  ['after', (m) => `all after ${m}`, (w, at) => w.slice(at + 1)],
  ['before', (m) => `all before ${m}`, (w, at) => w.slice(0, at)],
  ['drop', (m) => `drop ${m}`, (w, at) => w.toSpliced(at, 1)],
  ['to-front', (m) => `${m} to the front`, (w, at) => [w[at], ...w.toSpliced(at, 1)]],
];

export function drawMarkerTask(rng: Random, length: ListLength): Task {
  const [name, describe, apply] = rng.choice(OPERATIONS);
  const marker = rng.choice(LIST_WORDS);
  const candidates = LIST_WORDS.filter((word) => word !== marker);
  return {
    id: `marker/${name}/${marker}`,
    kind: 'marker',
    description: describe(marker),
    sample(draw) {
      const others = draw.pick(candidates, draw.between(length.minWords, length.maxWords) - 1);
      const at = draw.between(1, others.length - 1); // never at an end: something stands on both sides
      const words = others.toSpliced(at, 0, marker);
      return { input: words.join(' '), output: apply(words, at).join(' ') };
    },
  };
}
