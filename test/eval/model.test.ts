/** The evaluation with the shipped model: what the subject hands on, and whole runs of few tasks. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/eval/evaluate.ts';
import { generatedTasks, generatedTraining } from '../../lib/eval/generated-tasks.ts';
import { HyperT5Subject } from '../../lib/eval/hypert5-subject.ts';
import { PROTOCOLS } from '../../lib/eval/protocols/index.ts';
import { HyperT5 } from '../../lib/index.ts';

let model: HyperT5;
let subject: HyperT5Subject;
beforeAll(async () => {
  model = await HyperT5.load(new URL('../../weights/tiny', import.meta.url).pathname);
  subject = new HyperT5Subject(model);
});
afterAll(() => model.dispose());

const [swap] = generatedTasks({ tasksPerGroup: 1 });
const examples = swap.support.slice(0, 8);
const queries = swap.queries.slice(0, 3).map(({ input }) => input);
/** fp32 on both sides; rows may be summed in another order in another batch. */
const DIGITS = 3;

describe('the subject', () => {
  test('both is the composition of what the two hypermodels write', async () => {
    expect([...subject.kinds].sort()).toEqual(['both', 'lora', 'prefix']);
    const evidence = { task: 't', examples };
    const [both] = await subject.adapt([evidence], 'both', {});
    const [lora, prefix] = [(await subject.adapt([evidence], 'lora', {}))[0], (await subject.adapt([evidence], 'prefix', {}))[0]];
    const combined = await model.combine([lora, prefix]);
    const likelihoods = async (adapter: typeof both) => (await subject.score(queries.map((input) => ({ input, state: adapter })), queries.map(() => ['a', 'b c']), {})).flat();
    const expected = await likelihoods(combined);
    (await likelihoods(both)).forEach((x, i) => expect(x).toBeCloseTo(expected[i], DIGITS));
    for (const adapter of [both, lora, prefix, combined]) adapter.dispose();
    expect(model.info().adapters).toBe(0);
  });

  test('evidence of several definitions, or of a definition alone, keeps its order', async () => {
    const sets = [{ task: 'a', examples, definition: 'swap' }, { task: 'b', examples }, { task: 'c', examples: [], definition: 'reverse the list' }];
    const adapters = await subject.adapt(sets, 'lora', {});
    expect(adapters.map(({ source }) => source.report!.used)).toEqual([8, 8, 0]);
    const alone = await model.adapt(examples, { kind: 'lora', definition: 'swap' });
    const score = async (adapter: typeof alone) => (await subject.score([{ input: queries[0], state: adapter }], [['a b']], {}))[0][0];
    expect(await score(adapters[0])).toBeCloseTo(await score(alone), DIGITS);
    expect(Math.abs((await score(adapters[0])) - (await score(adapters[1])))).toBeGreaterThan(0.01);
    for (const adapter of [...adapters, alone]) adapter.dispose();
  });

  test('the mean of one adapter is that adapter', async () => {
    const [one] = await subject.adapt([{ task: 't', examples }], 'lora', {});
    const mean = await subject.mean([one, one]);
    expect(await subject.generate(queries.map((input) => ({ input, state: mean })), {})).toEqual(await subject.generate(queries.map((input) => ({ input, state: one })), {}));
    for (const adapter of [one, mean]) adapter.dispose();
  });

  test('examples in the input change the likelihood, none do not', async () => {
    const [[alone], [same], [other]] = await subject.score([{ input: queries[0] }, { input: queries[0], context: { task: 't', examples: [] } }, { input: queries[0], context: { task: 't', examples } }], [['a b'], ['a b'], ['a b']], {});
    expect(same).toBeCloseTo(alone, DIGITS);
    expect(Math.abs(other - alone)).toBeGreaterThan(0.1);
  });

  test('a kind the model cannot write is an error', async () => {
    const plain = new HyperT5Subject({ kinds: ['lora'] } as unknown as HyperT5);
    await expect(plain.adapt([{ task: 't', examples }], 'both', {})).rejects.toMatchObject({ code: 'CONFIG_UNSUPPORTED' });
  });
});

describe('runs', () => {
  const tasks = generatedTasks({ tasksPerGroup: 2 }).filter(({ group }) => ['primitive', 'label'].includes(group));

  test('every condition and kind has finite numbers; two runs agree; no adapter is left', async () => {
    const run = () => evaluate(subject, tasks, {
      protocol: PROTOCOLS.default, queries: 3, conditions: ['none', 'in-context', 'static', 'wrong', 'permuted', 'right'], static: { tasks: generatedTraining(3, 1) },
    });
    const first = await run();
    expect(first.results).toHaveLength(3 * 4);
    for (const { group, conditions } of first.results) {
      expect(Object.keys(conditions)).toEqual(['none', 'in-context', 'static', 'wrong', ...(group === 'label' ? ['permuted'] : []), 'right']);
      for (const scores of Object.values(conditions)) {
        expect(Object.values(scores).every(Number.isFinite)).toBe(true);
        expect(scores.rank !== undefined).toBe(group === 'label');
      }
    }
    expect(await run()).toEqual(first);
    expect(model.info().adapters).toBe(0);
  });

  test.each(['p3', 'metaicl', 'sni'] as const)('protocol %s', async (name) => {
    const all = tasks.map((task) => ({ ...task, definition: 'answer' }));
    const { results, summaries, skipped } = await evaluate(subject, all, { protocol: PROTOCOLS[name], kinds: ['lora'], queries: 2, conditions: ['none', 'right'] });
    expect(results).toHaveLength(name === 'sni' ? 4 : 2);
    expect(skipped).toHaveLength(name === 'sni' ? 0 : 2);
    expect(summaries.at(-1)!.conditions.right![PROTOCOLS[name].primary]!.mean).toBeGreaterThanOrEqual(0);
    expect(model.info().adapters).toBe(0);
  });
});
