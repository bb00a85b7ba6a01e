import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/eval/evaluate.ts';
import { standard } from '../../lib/eval/protocols/standard.ts';
import type { Trial } from '../../lib/eval/trial.ts';
import { FakeSubject, fakeTask, numberOf, taskOf } from './fake-subject.ts';
import type { Rule } from './fake-subject.ts';

const OPTIONS = ['yes', 'no'];
/** Knows even queries under its own task's evidence; alone, every fourth; else it says nothing right. */
const rule: Rule = (input, state, context) => {
  const n = numberOf(input);
  const own = state?.evidence[0]?.task === taskOf(input) || context?.task === taskOf(input);
  return (own && n % 2 === 0) || (!state && !context && n % 4 === 0) ? `answer ${n}` : 'x';
};
const tasks = [fakeTask('a', (i) => `answer ${i}`), fakeTask('b', (i) => `answer ${i}`), fakeTask('c', (i) => `answer ${i}`, { group: 'h' })];
const run = (subject: FakeSubject, more = {}) => evaluate(subject, tasks, { protocol: standard, queries: 32, ...more });

describe('conditions', () => {
  test('means, gains and wins by hand', async () => {
    const { results, summaries, skipped } = await run(new FakeSubject(rule));
    expect(skipped).toEqual([]);
    expect(results.map(({ task, wrong, queries }) => [task, wrong, queries])).toEqual([['a', 'b', 32], ['b', 'a', 32], ['c', undefined, 32]]);
    // All 32 queries of lines 32 to 63: 16 even ones, 8 multiples of four.
    expect(results[0].conditions.right).toMatchObject({ exact: 0.5 });
    expect(results[0].conditions.none).toMatchObject({ exact: 0.25 });
    expect(results[0].conditions.wrong).toMatchObject({ exact: 0 });
    // Answers are of 2 words, 3 tokens: -1 where known, else -6.
    expect(results[0].conditions.right!.logLikelihood).toBeCloseTo((16 * -1 + 16 * -6) / 32, 12);
    expect(results[0].conditions.right!.tokenLogLikelihood).toBeCloseTo((16 * -1 + 16 * -6) / 96, 12);
    expect(results[2].conditions.wrong).toBeUndefined();
    expect(summaries.map(({ group, tasks: n }) => [group, n])).toEqual([['g', 2], ['h', 1], ['all', 3]]);
    const all = summaries[2];
    expect(all.gains.none!.exact).toEqual({ mean: 0.25, low: 0.25, high: 0.25, tasks: 3 });
    expect(all.gains.wrong!.exact).toEqual({ mean: 0.5, low: 0.5, high: 0.5, tasks: 2 });
    expect(all.wins).toEqual({ tasks: 3, of: 3 });
    expect(all.gains.static).toBeUndefined();
  });

  test('the examples of a task in its own input are a condition of their own', async () => {
    const { results } = await run(new FakeSubject(rule), { conditions: ['in-context', 'none'] });
    expect(results[0].conditions['in-context']).toMatchObject({ exact: 0.5 });
    expect(results[0].conditions.right).toBeUndefined();
  });

  test('static is one state for all tasks: of a folder, or the mean over tasks of training', async () => {
    const seen = new Set<unknown>();
    const subject = new FakeSubject((_, state) => (seen.add(state), state?.kind === 'loaded' ? 'folder' : String(state?.evidence.length)));
    const options = { conditions: ['static'] as const, queries: 4 };
    const folder = await evaluate(subject, [fakeTask('a', () => 'folder'), fakeTask('b', () => 'folder')], { protocol: standard, ...options, static: { folder: 'x' } });
    expect(folder.results.map(({ conditions }) => conditions.static!.exact)).toEqual([1, 1]);
    expect(seen.size).toBe(1);
    const mean = await evaluate(subject, [fakeTask('a', () => '3')], { protocol: standard, ...options, static: { tasks: Array.from({ length: 9 }, (_, i) => fakeTask(`t${i}`, () => 'y')), count: 3 } });
    expect(mean.results[0].conditions.static!.exact).toBe(1);
    expect(subject.live.size).toBe(0);
  });

  test('permuted labels are those of the same examples, exchanged', async () => {
    const subject = new FakeSubject((input, state) => {
      const shown = state?.evidence[0].examples.find(({ input: i }) => numberOf(i) % 2 === numberOf(input) % 2);
      return shown?.output ?? 'x';
    });
    const label = fakeTask('l', (i) => OPTIONS[i % 2], { options: OPTIONS });
    const { results } = await evaluate(subject, [label], { protocol: standard, queries: 32, shots: 16 });
    expect(results[0].conditions.right).toMatchObject({ exact: 1, rank: 1, macroF1: 1 });
    expect(results[0].conditions.permuted).toMatchObject({ exact: 0, rank: 0, macroF1: 0 });
    const [right, permuted] = subject.adapted;
    expect(permuted.examples.map(({ input }) => input)).toEqual(right.examples.map(({ input }) => input));
    expect(permuted.examples.every(({ output }, i) => output !== right.examples[i].output)).toBe(true);
  });
});

describe('draws', () => {
  const plan = (more = {}) => standard.plan(tasks, { ...standard.defaults, ...more }).trials;
  const inputs = (trials: Trial[]) => trials.map(({ query }) => query.input);

  test('shots are of the first 32 lines, queries of the rest', () => {
    for (const { query, right, wrong, task } of plan()) {
      expect(numberOf(query.input)).toBeGreaterThanOrEqual(32);
      expect(right.examples).toHaveLength(8);
      expect(new Set(right.examples.map(({ input }) => input)).size).toBe(8);
      expect(right.examples.every(({ input }) => taskOf(input) === task.id && numberOf(input) < 32)).toBe(true);
      expect(wrong?.task).not.toBe(task.id);
    }
  });

  test('more shots do not change the queries, another seed does, the same seed changes nothing', () => {
    expect(inputs(plan({ shots: 3 }))).toEqual(inputs(plan()));
    expect(inputs(plan({ seed: 2 }))).not.toEqual(inputs(plan()));
    expect(plan()).toEqual(plan());
  });

  test('one adapter per task, or one per instance', async () => {
    const perTask = new FakeSubject(rule);
    await run(perTask, { conditions: ['right'], queries: 5 });
    expect(perTask.adapted).toHaveLength(3);
    const perInstance = new FakeSubject(rule);
    await run(perInstance, { conditions: ['right'], queries: 5, adapterPer: 'instance' });
    expect(new Set(perInstance.adapted).size).toBe(15);
    expect(new Set(perInstance.adapted.map(({ examples }) => JSON.stringify(examples))).size).toBe(15);
  });

  test('a task without queries is left out with the reason, and not for the others', async () => {
    const { results, skipped } = await evaluate(new FakeSubject(rule), [fakeTask('one', () => 'x', { lines: 1 }), tasks[0]], { protocol: standard });
    expect(results.map(({ task }) => task)).toEqual(['a']);
    expect(skipped).toEqual([{ task: 'one', reason: 'fewer than two lines' }]);
  });
});

describe('running', () => {
  test('the size of batches changes no number', async () => {
    const whole = await run(new FakeSubject(rule), { batch: 1000 });
    for (const batch of [1, 7, 64]) {
      const subject = new FakeSubject(rule);
      expect((await run(subject, { batch })).results).toEqual(whole.results);
      expect(Math.max(...subject.batches)).toBe(Math.min(batch, 288 - 32));
      expect(subject.live.size).toBe(0);
    }
  });

  test('progress ends at the total; an abort ends the run and leaves no state', async () => {
    const abort = new AbortController();
    const seen: [number, number][] = [];
    const subject = new FakeSubject(rule);
    const running = run(subject, { batch: 16, signal: abort.signal, onProgress: (done: number, total: number) => (seen.push([done, total]), done >= 48 && abort.abort()) });
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(seen).toEqual([[16, 256], [32, 256], [48, 256]]);
    expect(subject.live.size).toBe(0);
    const complete: number[] = [];
    await run(new FakeSubject(rule), { onProgress: (done: number) => complete.push(done) });
    expect(complete.at(-1)).toBe(256);
  });

  test('a failure of the subject leaves no state', async () => {
    const subject = new FakeSubject((input) => {
      if (input === 'b 40') throw new Error('broke');
      return 'x';
    });
    await expect(run(subject)).rejects.toThrow('broke');
    expect(subject.live.size).toBe(0);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['no shot', { shots: 0 }, 'ARGUMENT_RANGE'],
    ['half a query', { queries: 0.5 }, 'ARGUMENT_RANGE'],
    ['NaN', { shots: NaN }, 'ARGUMENT_RANGE'],
    ['static without a source', { conditions: ['static'] }, 'ARGUMENT_INVALID'],
    ['no kinds', { kinds: [] }, 'CONFIG_UNSUPPORTED'],
  ])('%s is an error', async (_, options, code) => {
    await expect(run(new FakeSubject(rule), options)).rejects.toMatchObject({ code });
  });

  test('no task, or two of one name, is an error', async () => {
    await expect(evaluate(new FakeSubject(rule), [], { protocol: standard })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(evaluate(new FakeSubject(rule), [tasks[0], tasks[0]], { protocol: standard })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', message: expect.stringContaining('two tasks are named a') });
  });

  test('a likelihood that is not a number is an error that names the task', async () => {
    const subject = new FakeSubject(rule);
    subject.score = async (rows) => rows.map(() => [NaN]);
    await expect(run(subject)).rejects.toMatchObject({ code: 'NUMERIC', message: expect.stringContaining('task a') });
  });
});
