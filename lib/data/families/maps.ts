/** Word maps: four words, each with a partner that replaces it. */
import type { Random } from '../random.ts';
import type { Task } from '../task.ts';
import { LIST_WORDS } from './words.ts';

const ENTRIES = 4;

/** Inputs are lists of two or three of the four words, repetition allowed: 80 different ones. */
export function drawMapTask(rng: Random): Task {
  const words = rng.pick(LIST_WORDS, 2 * ENTRIES);
  const keys = words.slice(0, ENTRIES).toSorted();
  const partner = new Map(keys.map((key, i) => [key, words[ENTRIES + i]]));
  const entries = keys.map((key) => `${key} is ${partner.get(key)}`);
  return {
    id: `map/${entries.join('/').replaceAll(' is ', '-')}`,
    kind: 'map',
    description: entries.join(', '),
    sample(draw) {
      const input = Array.from({ length: draw.between(2, 3) }, () => draw.choice(keys));
      return { input: input.join(' '), output: input.map((key) => partner.get(key)).join(' ') };
    },
  };
}
