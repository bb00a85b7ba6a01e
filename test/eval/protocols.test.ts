import { describe, expect, test } from 'vitest';
import { Random } from '../../lib/data/random.ts';
import { drawShots } from '../../lib/eval/draws.ts';
import { evaluate } from '../../lib/eval/evaluate.ts';
import { SHOT_SEEDS, metaicl } from '../../lib/eval/protocols/metaicl.ts';
import { p3 } from '../../lib/eval/protocols/p3.ts';
import { sni } from '../../lib/eval/protocols/sni.ts';
import { FakeSubject, fakeTask, numberOf, taskOf } from './fake-subject.ts';

const YES_NO = ['yes', 'no'];
const ABCD = ['a', 'b', 'c', 'd'];

describe('p3', () => {
  /** Share of the 32 queries that the likeliest option gets right under the right evidence. */
  const share: Record<string, number> = { 'p3/cb__one': 1, 'p3/cb__two': 0.5, 'p3/anli_r1__x': 0.25, 'p3/anli_r2__x': 0.75, 'p3/rte__x': 0 };
  const names = Object.keys(share);
  const tasks = names.map((id) => fakeTask(id, () => 'yes', { options: YES_NO }));
  const subject = () => new FakeSubject((input, state) => (state?.evidence[0].task === taskOf(input) && numberOf(input) < 32 + 32 * share[taskOf(input)] ? 'yes' : 'no'));

  test('is the mean over templates, rounds, then data sets', async () => {
    const { summaries, results } = await evaluate(subject(), tasks, { protocol: p3 });
    expect(results.map(({ conditions }) => conditions.right!.rank)).toEqual(names.map((id) => share[id]));
    const of = (group: string) => summaries.find((s) => s.group === group)!;
    expect(of('cb').conditions.right!.rank!.mean).toBeCloseTo(0.75, 12);
    expect(of('anli').conditions.right!.rank!.mean).toBeCloseTo(0.5, 12);
    // (0.75 + 0.5 + 0) / 3; the mean of the five templates would be 0.5.
    expect(of('all').conditions.right!.rank).toMatchObject({ mean: expect.closeTo(1.25 / 3, 12), tasks: 3 });
    expect(of('all').conditions.wrong!.rank!.mean).toBe(0);
  });

  test('generates nothing, and draws shots for every instance from seeds 1234 + index of the data set', async () => {
    const one = subject();
    await evaluate(one, tasks, { protocol: p3, conditions: ['right'] });
    expect(one.batches).toEqual([]);
    expect(new Set(one.adapted).size).toBe(5 * 32);
    // anli_r1, anli_r2, cb, rte
    const { trials } = p3.plan(tasks, p3.defaults);
    const cb = trials.filter(({ task }) => task.id === 'p3/cb__one');
    cb.forEach(({ task, right }, i) => expect(right).toEqual(drawShots(task, 16, Random.stream(1234 + 2, 'shots', task.id, i))));
    expect(trials.every(({ task, wrong }) => wrong!.task.slice(3, 5) !== task.id.slice(3, 5))).toBe(true);
  });

  test('one adapter per task is the cheaper variant; tasks without options are left out', async () => {
    const one = subject();
    const { skipped } = await evaluate(one, [...tasks, fakeTask('p3/open__x', () => 'yes')], { protocol: p3, adapterPer: 'task', conditions: ['right'] });
    expect(one.adapted).toHaveLength(5);
    expect(skipped).toEqual([{ task: 'p3/open__x', reason: 'no options to rank' }]);
  });
});

describe('metaicl', () => {
  const task = fakeTask('t', (i) => ABCD[i % 4 === 3 ? 0 : i % 4], { options: ABCD });
  const choice = { ...fakeTask('c', () => 'yes', { options: YES_NO }), labels: undefined };

  test('five draws of shots: their mean, and the worst', async () => {
    /** Draw number r answers the first r eighths of the 32 queries; MetaICL has no figure for wrong classes of `choice`, so accuracy counts. */
    const order = new Map(SHOT_SEEDS.map((seed, r) => [JSON.stringify(drawShots(choice, 16, Random.stream(seed, 'shots', 'c', 0)).examples), r]));
    const subject = new FakeSubject((input, state) => (state && numberOf(input) < 32 + 8 * order.get(JSON.stringify(state.evidence[0].examples))! ? 'yes' : 'no'));
    const { results, summaries } = await evaluate(subject, [choice], { protocol: metaicl });
    expect(subject.adapted).toHaveLength(5);
    expect(results[0].repeats!.map(({ right }) => right!.metaicl)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(results[0].conditions.right!.metaicl).toBeCloseTo(0.5, 12);
    expect(results[0].conditions.none!.metaicl).toBe(0);
    expect(summaries.at(-1)).toMatchObject({ group: 'all', worst: 0 });
    expect(results[0].queries).toBe(32);
  });

  test('macro-F1 of classification, by hand', async () => {
    // Says d for every c. Gold of 32 queries: 16 a, 8 b, 8 c. a and b: 1; c: P 1 by definition, R 0; d is no class of the gold answers.
    const subject = new FakeSubject((input, state) => (state ? ABCD[[0, 1, 3, 0][numberOf(input) % 4]] : 'none'));
    const { results } = await evaluate(subject, [task], { protocol: metaicl });
    expect(results[0].conditions.right).toMatchObject({ rank: 0.75, metaicl: expect.closeTo(2 / 3, 12), macroF1: expect.closeTo(2 / 4, 12) });
  });
});

describe('sni', () => {
  const instruct = (id: string, lines: number, more = {}) => fakeTask(id, () => 'running home now', { lines, definition: `do ${id}`, positives: [{ input: 'p', output: 'q' }], ...more });
  const rule = (input: string, state?: { evidence: readonly { definition?: string }[] }) => (state?.evidence[0]?.definition === 'do one' && taskOf(input) === 'one' ? 'he runs home' : '');

  test('ROUGE-L as the mean over instances', async () => {
    // 3 queries of task one, 1 of task two. `he run home` against `run home now`: 2 of 3 words on both sides.
    const { summaries, results } = await evaluate(new FakeSubject(rule), [instruct('one', 6), instruct('two', 2)], { protocol: sni });
    expect(results.map(({ queries }) => queries)).toEqual([3, 1]);
    expect(results[0].conditions.right!.rougeL).toBeCloseTo(2 / 3, 12);
    expect(summaries.at(-1)!.conditions.right!.rougeL!.mean).toBeCloseTo((3 * 2) / 3 / 4, 12);
    expect(summaries.at(-1)!.conditions.none!.rougeL!.mean).toBe(0);
  });

  test.each([[0, 0], [1, 1], [2, 2]])('%i positive examples behind the definition', (shots, count) => {
    const { trials } = sni.plan([instruct('one', 6)], { ...sni.defaults, shots });
    const { definition, examples } = trials[0].right;
    expect(definition).toBe('do one');
    // The task has one positive example of its own; its first line follows.
    expect(examples).toEqual([{ input: 'p', output: 'q' }, { input: 'one 0', output: 'running home now' }].slice(0, count));
  });

  test('tasks without a definition are left out', () => {
    expect(sni.plan([fakeTask('x', () => 'y')], sni.defaults)).toMatchObject({ trials: [], skipped: [{ task: 'x', reason: 'no definition' }] });
  });
});
