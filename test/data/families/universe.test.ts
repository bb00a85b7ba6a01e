import { describe, expect, test } from 'vitest';
import { agreement, REALLY_NEW_AGREEMENT } from '../../../lib/data/families/compositions.ts';
import { LABEL_WORDS, LIST_WORDS } from '../../../lib/data/families/words.ts';
import type { GeneratedKind } from '../../../lib/data/families/universe.ts';
import { DEFAULT_UNIVERSE, Universe } from '../../../lib/data/families/universe.ts';
import { Random } from '../../../lib/data/random.ts';

const universe = new Universe();
const KINDS = Object.keys(DEFAULT_UNIVERSE.shares) as GeneratedKind[];
const PARAMETRISED: readonly GeneratedKind[] = ['constant', 'marker', 'label', 'map', 'affix'];

describe('word lists', () => {
  test('600 list words and 75 label words, no word twice', () => {
    expect(LIST_WORDS.length).toBe(600);
    expect(LABEL_WORDS.length).toBe(75);
    expect(new Set([...LIST_WORDS, ...LABEL_WORDS]).size).toBe(675);
    for (const word of [...LIST_WORDS, ...LABEL_WORDS]) expect(word).toMatch(/^[a-z]{3,8}$/);
  });
});

describe('trained tasks', () => {
  test('the same stream draws the same tasks and examples', () => {
    const draw = () => {
      const rng = Random.stream(5, 'tasks');
      return Array.from({ length: 200 }, () => {
        const task = universe.trained.draw(rng);
        return [task.id, task.description, task.sample(rng)];
      });
    };
    expect(draw()).toEqual(draw());
  });

  test('every kind occurs about as often as its share', () => {
    const rng = Random.stream(6, 'shares');
    const counts = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const { kind } = universe.trained.draw(rng);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    for (const kind of KINDS) expect(counts.get(kind)! / 40).toBeCloseTo(DEFAULT_UNIVERSE.shares[kind], -1); // within 5 points
  });

  test.each(KINDS)('%s: inputs and answers are words with single spaces', (kind) => {
    const rng = Random.stream(7, kind);
    for (let i = 0; i < 300; i++) {
      const task = universe.trainedOf(kind).draw(rng);
      expect(task.kind).toBe(kind);
      expect(task.id.startsWith(`${kind}/`)).toBe(true);
      const { input, output } = task.sample(rng);
      for (const text of [input, output, task.description]) expect(text).toMatch(/^\S+( \S+)*$/);
    }
  });

  test('at least 35 primitives, no two the same function', () => {
    expect(universe.primitives.length).toBeGreaterThanOrEqual(35);
    for (const [i, a] of universe.primitives.entries()) {
      for (const b of universe.primitives.slice(0, i)) expect(agreement(a, b), `${a.id} ${b.id}`).toBeLessThan(1);
    }
  });

  test('lists outside 4 .. 12 words are refused', () => {
    for (const length of [{ minWords: 3 }, { minWords: 6 }, { maxWords: 13 }, { minWords: 4.5 }]) {
      expect(() => new Universe(length)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE' }));
    }
  });

  test('opening one leaves the event loop its turns, once for lists of a length', async () => {
    const turnsOf = async (work: () => Promise<unknown>) => {
      let turns = 0;
      const count = (): void => void (turn = setImmediate(() => (turns++, count())));
      let turn: NodeJS.Immediate | undefined;
      count();
      await work();
      clearImmediate(turn);
      return turns;
    };
    const open = () => Universe.open({ maxWords: 6 });
    expect(await turnsOf(open)).toBeGreaterThanOrEqual(universe.primitives.length);
    expect(await turnsOf(open)).toBeLessThan(2);
    const ids = ({ trainedPairs, heldOutPairs, reallyNewPairs }: Universe) => [trainedPairs, heldOutPairs, reallyNewPairs].map((pairs) => pairs.map(({ id }) => id));
    expect(ids(new Universe({ maxWords: 6 }))).not.toEqual(ids(universe));
    await expect(Universe.open({ minWords: 3 })).rejects.toMatchObject({ code: 'ARGUMENT_RANGE' });
  });
});

describe('the split', () => {
  const trained = [...universe.primitives, ...universe.trainedPairs];

  test('does not depend on when it is made', () => {
    expect(new Universe().heldOutPairs.map((task) => task.id)).toEqual(universe.heldOutPairs.map((task) => task.id));
    expect(universe.trainedPairs.length).toBeGreaterThan(500);
    expect(universe.reallyNewPairs.length).toBeGreaterThanOrEqual(30);
  });

  // Fresh lists, not the probes of the split.
  const rng = Random.stream(99, 'fresh');
  const lists = Array.from({ length: 150 }, () => rng.pick(LIST_WORDS, rng.between(4, 5)));
  const answers = (task: (typeof trained)[number]) => lists.map((words) => task.apply(words).join(' '));
  const trainedAnswers = trained.map(answers);
  const closest = (task: (typeof trained)[number]) => {
    const own = answers(task);
    return Math.max(...trainedAnswers.map((other) => other.filter((answer, i) => answer === own[i]).length)) / lists.length;
  };

  test('no held-out pair is a trained function', () => {
    for (const task of universe.heldOutPairs) expect(closest(task), task.id).toBeLessThan(1);
  });

  test('really new functions agree with no trained one on more than a tenth of fresh inputs', () => {
    // 150 fresh lists: 0.1 plus three standard errors
    for (const task of universe.reallyNewPairs) expect(closest(task), task.id).toBeLessThan(REALLY_NEW_AGREEMENT + 0.075);
  });

  test('no trained pair computes a new primitive', () => {
    for (const task of universe.newPrimitives) expect(closest(task), task.id).toBeLessThan(1);
  });

  test.each(PARAMETRISED)('%s: trained and held-out parameters do not meet', (kind) => {
    const draws = (heldOut: boolean) => {
      const rng = Random.stream(8, kind);
      const source = heldOut ? universe.heldOutOf(kind) : universe.trainedOf(kind);
      return new Set(Array.from({ length: 1000 }, () => source.draw(rng).id));
    };
    const trainedIds = draws(false);
    const heldOutIds = draws(true);
    expect(heldOutIds.size).toBeGreaterThan(3);
    for (const id of heldOutIds) expect(trainedIds.has(id)).toBe(false);
  });

  test('numbers have no held-out tasks, primitives have four', () => {
    expect(() => universe.heldOutOf('number')).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
    expect(universe.heldOutOf('primitive').draw(Random.stream(1)).id).toMatch(/reverse|third|double-each/);
  });

  test('agreement is 1 with itself and counts single inputs', () => {
    const named = (name: string) => trained.find((task) => task.id === `primitive/${name}`)!;
    expect(agreement(named('sort'), named('sort'))).toBe(1);
    expect(agreement(named('first'), named('last'))).toBe(0);
    // only a list of 4 words, half of them, has the same words after its first two as in its last two
    const half = agreement(named('drop-first2'), named('last2'));
    expect(half).toBeGreaterThan(0.35);
    expect(half).toBeLessThan(0.65);
  });
});
