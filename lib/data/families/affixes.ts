/** Changes inside words: an ending or a beginning put on or taken off, and capitals. */
import type { Random } from '../random.ts';
import type { Example, Task } from '../task.ts';
import { LIST_WORDS } from './words.ts';

interface Change {
  readonly id: string;
  readonly phrase: string;
  /** From a plain word to the word of the input and that of the answer. */
  readonly pair: (word: string) => readonly [input: string, answer: string];
}

type Place = 'every word' | 'first' | 'last';

const PLACES: readonly Place[] = ['every word', 'first', 'last'];
const ENDINGS = ['s', 'ed', 'er', 'ing', 'ly', 'ness', 'ful'];
const BEGINNINGS = ['un', 're', 'over', 'out'];

function affixChanges(id: string, phrase: string, attach: (word: string) => string): Change[] {
  return [
    { id: `add-${id}`, phrase: `add ${phrase} to`, pair: (word) => [word, attach(word)] },
    { id: `drop-${id}`, phrase: `drop ${phrase} from`, pair: (word) => [attach(word), word] },
  ];
}

const CHANGES: readonly Change[] = [
  ...ENDINGS.flatMap((ending) => affixChanges(`-${ending}`, `ending ${ending}`, (word) => word + ending)),
  ...BEGINNINGS.flatMap((beginning) => affixChanges(`${beginning}-`, `beginning ${beginning}`, (word) => beginning + word)),
  { id: 'capital', phrase: 'capital on', pair: (word) => [word, word[0].toUpperCase() + word.slice(1)] },
];

function isChanged(place: Place, index: number, count: number): boolean {
  return place === 'every word' || index === (place === 'first' ? 0 : count - 1);
}

/** Inputs are lists of two or three words; spelling is by plain concatenation (`makeing`), so the rule has no exception. */
export function drawAffixTask(rng: Random): Task {
  const change = rng.choice(CHANGES);
  const place = rng.choice(PLACES);
  return {
    id: `affix/${change.id}/${place.replace(' ', '-')}`,
    kind: 'affix',
    description: `${change.phrase} ${place}`,
    sample(draw): Example {
      const words = draw.pick(LIST_WORDS, draw.between(2, 3));
      const pairs = words.map((word, i) => (isChanged(place, i, words.length) ? change.pair(word) : ([word, word] as const)));
      return { input: pairs.map(([input]) => input).join(' '), output: pairs.map(([, answer]) => answer).join(' ') };
    },
  };
}
