/** Rules that answer with one of two random label words; the examples alone say which word means what. */
import type { Random } from '../random.ts';
import type { Task } from '../task.ts';
import { sampleList } from './list-task.ts';
import type { ListLength } from './list-task.ts';
import { LABEL_WORDS, LIST_WORDS } from './words.ts';

/** Builds a list for which the rule holds, or one for which it does not. */
type Build = (rng: Random, holds: boolean, length: ListLength) => string[];

interface Rule {
  readonly id: string;
  readonly phrase: string;
  readonly build: Build;
}

const STARTS_WITH_VOWEL = LIST_WORDS.filter((word) => /^[aeiou]/.test(word));
const STARTS_WITH_CONSONANT = LIST_WORDS.filter((word) => /^[^aeiou]/.test(word));

/** Lists that do not contain `word`. */
function listWithout(rng: Random, word: string, length: ListLength): string[] {
  let words = sampleList(rng, length);
  while (words.includes(word)) words = sampleList(rng, length);
  return words;
}

function contains(word: string): Rule {
  return {
    id: `contains-${word}`,
    phrase: `it contains ${word}`,
    build(rng, holds, length) {
      const words = listWithout(rng, word, length);
      return holds ? words.with(rng.int(words.length), word) : words;
    },
  };
}

function begins(word: string): Rule {
  return {
    id: `begins-${word}`,
    phrase: `it begins with ${word}`,
    build(rng, holds, length) {
      const words = listWithout(rng, word, length);
      return words.with(holds ? 0 : words.length - 1, word);
    },
  };
}

const REPEATS: Rule = {
  id: 'repeats',
  phrase: 'a word occurs twice',
  build(rng, holds, length) {
    const words = sampleList(rng, length);
    const [from, to] = rng.pick([...words.keys()], 2);
    return holds ? words.with(to, words[from]) : words;
  },
};

const VOWEL: Rule = {
  id: 'vowel',
  phrase: 'it begins with a vowel',
  build: (rng, holds, length) => sampleList(rng, length).with(0, rng.choice(holds ? STARTS_WITH_VOWEL : STARTS_WITH_CONSONANT)),
};

const SHORT: Rule = {
  id: 'short',
  phrase: 'the list is short',
  build(rng, holds, length) {
    const count = holds ? length.minWords : length.minWords + 1;
    return sampleList(rng, { minWords: count, maxWords: count });
  },
};

const LONGER: Rule = {
  id: 'longer',
  phrase: 'first is longer than last',
  build(rng, holds, length) {
    for (;;) {
      const words = sampleList(rng, length);
      const difference = words[0].length - words[words.length - 1].length;
      if (difference === 0) continue; // about one list in six
      const [first, last] = [words[0], words[words.length - 1]];
      return difference > 0 === holds ? words : words.with(0, last).with(-1, first);
    }
  },
};

const WITH_WORD = [contains, begins];
const WITHOUT_WORD = [REPEATS, VOWEL, SHORT, LONGER];

function drawRule(rng: Random): Rule {
  const choice = rng.int(WITH_WORD.length + WITHOUT_WORD.length);
  return choice < WITH_WORD.length ? WITH_WORD[choice](rng.choice(LIST_WORDS)) : WITHOUT_WORD[choice - WITH_WORD.length];
}

/** Both labels are equally frequent. */
export function drawLabelTask(rng: Random, length: ListLength): Task {
  const rule = drawRule(rng);
  const [yes, no] = rng.pick(LABEL_WORDS, 2);
  return {
    id: `label/${rule.id}/${yes}/${no}`,
    kind: 'label',
    description: `${yes} if ${rule.phrase} else ${no}`,
    sample(draw) {
      const holds = draw.chance(0.5);
      return { input: rule.build(draw, holds, length).join(' '), output: holds ? yes : no };
    },
  };
}
