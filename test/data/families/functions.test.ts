import { describe, expect, test } from 'vitest';
import { drawLabelTask } from '../../../lib/data/families/labels.ts';
import { newPrimitives, primitives } from '../../../lib/data/families/primitives.ts';
import { Universe } from '../../../lib/data/families/universe.ts';
import { Random } from '../../../lib/data/random.ts';

const universe = new Universe();
const LENGTH = { minWords: 4, maxWords: 5 };
const WORDS = ['pear', 'fig', 'banana', 'apple', 'kiwi'];

describe('primitives', () => {
  test.each([
    ['copy', 'pear fig banana apple kiwi'],
    ['first', 'pear'],
    ['second', 'fig'],
    ['last', 'kiwi'],
    ['penultimate', 'apple'],
    ['first2', 'pear fig'],
    ['last2', 'apple kiwi'],
    ['first3', 'pear fig banana'],
    ['ends', 'pear kiwi'],
    ['odd', 'pear banana kiwi'],
    ['even', 'fig apple'],
    ['drop-first', 'fig banana apple kiwi'],
    ['drop-last', 'pear fig banana apple'],
    ['drop-second', 'pear banana apple kiwi'],
    ['drop-penultimate', 'pear fig banana kiwi'],
    ['drop-first2', 'banana apple kiwi'],
    ['drop-last2', 'pear fig banana'],
    ['middle', 'fig banana apple'],
    ['swap12', 'fig pear banana apple kiwi'],
    ['swap-last2', 'pear fig banana kiwi apple'],
    ['swap-ends', 'kiwi fig banana apple pear'],
    ['rotate-left', 'fig banana apple kiwi pear'],
    ['rotate-right', 'kiwi pear fig banana apple'],
    ['rotate-left2', 'banana apple kiwi pear fig'],
    ['second-to-end', 'pear banana apple kiwi fig'],
    ['repeat-first', 'pear pear fig banana apple kiwi'],
    ['repeat-last', 'pear fig banana apple kiwi kiwi'],
    ['first-again', 'pear fig banana apple kiwi pear'],
    ['last-again', 'kiwi pear fig banana apple kiwi'],
    ['sort', 'apple banana fig kiwi pear'],
    ['sort-down', 'pear kiwi fig banana apple'],
    ['sort-length', 'fig pear kiwi apple banana'],
    ['earliest', 'apple'],
    ['latest', 'pear'],
    ['longest', 'banana'],
    ['shortest', 'fig'],
    ['drop-longest', 'pear fig apple kiwi'],
    ['drop-shortest', 'pear banana apple kiwi'],
    ['reverse', 'kiwi apple banana fig pear'],
    ['third', 'banana'],
    ['double-each', 'pear pear fig fig banana banana apple apple kiwi kiwi'],
    ['drop-third', 'pear fig apple kiwi'],
  ])('%s', (name, expected) => {
    const task = [...primitives(LENGTH), ...newPrimitives(LENGTH)].find(({ id }) => id === `primitive/${name}`)!;
    expect(task.apply(WORDS).join(' ')).toBe(expected);
  });

  test('the first of equals wins, and short lists do not fail', () => {
    const named = (name: string) => primitives(LENGTH).find(({ id }) => id === `primitive/${name}`)!;
    expect(named('longest').apply(['aa', 'bb', 'c'])).toEqual(['aa']);
    expect(named('shortest').apply(['cc', 'a', 'b'])).toEqual(['a']);
    for (const { apply } of [...primitives(LENGTH), ...newPrimitives(LENGTH)]) {
      for (const words of [[], ['a'], ['a', 'b']]) for (const word of apply(words)) expect(words).toContain(word);
    }
  });

  test('a pair applies its functions in order', () => {
    const pair = universe.trainedPairs.find(({ id }) => id === 'pair/drop-first+swap-ends')!;
    expect(pair.apply(WORDS).join(' ')).toBe('kiwi banana apple fig');
    expect(pair.description).toBe('drop first then swap first and last');
  });
});

/** What the answer must be, from the task's id and the input alone. */
const ORACLES: Record<string, (parameters: string[], words: string[]) => string> = {
  constant([operation, word], w) {
    const [first, second, ...rest] = w;
    const start = w.slice(0, -1);
    const answers: Record<string, string[]> = {
      append: [...w, word],
      prepend: [word, ...w],
      'replace-first': [word, second, ...rest],
      'replace-second': [first, word, ...rest],
      'replace-last': [...start, word],
      'after-first': [first, word, second, ...rest],
      'before-last': [...start, word, w[w.length - 1]],
    };
    return answers[operation].join(' ');
  },
  marker([operation, marker], w) {
    const [before, after] = w.join(' ').split(` ${marker} `);
    const answers: Record<string, string> = {
      next: after.split(' ')[0],
      previous: before.split(' ').at(-1)!,
      after,
      before,
      drop: `${before} ${after}`,
      'to-front': `${marker} ${before} ${after}`,
    };
    return answers[operation];
  },
  label([rule, yes, no], w) {
    const last = w[w.length - 1];
    const [name, word] = rule.split('-');
    const holds: Record<string, boolean> = {
      contains: w.includes(word),
      begins: w[0] === word,
      repeats: new Set(w).size < w.length,
      vowel: 'aeiou'.includes(w[0][0]),
      short: w.length === 4,
      longer: w[0].length > last.length,
    };
    return holds[name] ? yes : no;
  },
  map(entries, w) {
    const partner = new Map(entries.map((entry) => entry.split('-') as [string, string]));
    return w.map((word) => partner.get(word)).join(' ');
  },
};

describe.each(Object.keys(ORACLES) as ('constant' | 'marker' | 'label' | 'map')[])('%s tasks', (kind) => {
  test('answer as their id says', () => {
    const rng = Random.stream(11, kind);
    for (let i = 0; i < 500; i++) {
      const task = universe.trainedOf(kind).draw(rng);
      const { input, output } = task.sample(rng);
      expect(output, `${task.id}: ${input}`).toBe(ORACLES[kind](task.id.split('/').slice(1), input.split(' ')));
    }
  });
});

describe('other families', () => {
  test('labels are balanced', () => {
    const rng = Random.stream(12, 'balance');
    for (let t = 0; t < 20; t++) {
      const task = drawLabelTask(rng, LENGTH);
      const [yes, no] = task.id.split('/').slice(2);
      const outputs = Array.from({ length: 200 }, () => task.sample(rng).output);
      const share = outputs.filter((output) => output === yes).length / 200;
      expect(Math.abs(share - 0.5)).toBeLessThan(0.16); // 4.5 standard errors
      expect(outputs.every((output) => output === yes || output === no)).toBe(true);
    }
  });

  test('affixes change the words they say they change', () => {
    const rng = Random.stream(13, 'affix');
    for (let i = 0; i < 300; i++) {
      const task = universe.trainedOf('affix').draw(rng);
      const [change, place] = task.id.split('/').slice(1);
      const { input, output } = task.sample(rng);
      const [from, to] = change.startsWith('drop') ? [output.split(' '), input.split(' ')] : [input.split(' '), output.split(' ')];
      const affix = change.slice(change.indexOf('-') + 1);
      const changed = (word: string) =>
        change === 'capital' ? word[0].toUpperCase() + word.slice(1) : affix.startsWith('-') ? word + affix.slice(1) : affix.slice(0, -1) + word;
      const expected = from.map((word, at) =>
        place === 'every-word' || at === (place === 'first' ? 0 : from.length - 1) ? changed(word) : word,
      );
      expect(to, task.id).toEqual(expected);
    }
  });

  test.each([
    ['largest', (n: number[]) => [n.toSorted((a, b) => b - a)[0]]],
    ['smallest', (n: number[]) => [n.toSorted((a, b) => a - b)[0]]],
    ['plus-one', (n: number[]) => n.map((x) => x + 1)],
    ['drop-largest', (n: number[]) => n.toSpliced(n.indexOf(Math.max(...n)), 1)],
  ])('numbers: %s', (name, expected) => {
    const rng = Random.stream(14, name);
    let task = universe.trainedOf('number').draw(rng);
    while (task.id !== `number/${name}`) task = universe.trainedOf('number').draw(rng);
    for (let i = 0; i < 50; i++) {
      const { input, output } = task.sample(rng);
      expect(output).toBe(expected(input.split(' ').map(Number)).join(' '));
    }
  });
});
