// adapter.tune and model.newAdapter on a small random T5.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Adapter, TuneOptions } from '../../lib/adapters/adapter.ts';
import type { Example } from '../../lib/data/task.ts';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { tinyFolder } from '../hyper/support.ts';

const EXAMPLES: Example[] = [
  { input: 'red blue', output: 'blue red' }, { input: 'sun moon', output: 'moon sun' }, { input: 'cat dog', output: 'dog cat' },
  { input: 'one two', output: 'two one' }, { input: 'stone fire', output: 'fire stone' },
];
const QUERIES = ['sea land', 'hot cold', ''];

let folder: string;
let model: HyperT5;
beforeAll(async () => {
  folder = await tinyFolder(['lora', 'prefix']);
  model = await HyperT5.load(folder);
});
afterAll(() => model.dispose());

/** Every value an adapter holds, as text: equal texts are equal bits. */
async function valuesOf(adapter: Adapter): Promise<string> {
  return JSON.stringify(await adapter.toFile(), (_, v: unknown) => (v instanceof Float32Array ? Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('hex') : v));
}

/** Log-likelihood of the examples' answers. */
async function fit(adapter?: Adapter): Promise<number> {
  const scores = await model.score(EXAMPLES.map(({ input }) => input), EXAMPLES.map(({ output }) => [output]), { adapter });
  return scores.reduce((sum, { logLikelihoods }) => sum + logLikelihoods[0], 0);
}

/** Adapters and bytes in use once the engine has let go of its last job: it does so before it settles the next one. */
async function inUse(): Promise<{ adapters: number; bytes: number }> {
  await model.score(['x'], [['y']]);
  await new Promise(setImmediate);
  const { adapters, bytes } = model.info();
  return { adapters, bytes };
}

const STARTS: [string, () => Promise<Adapter>][] = [
  ['fresh lora', () => model.newAdapter({ kind: 'lora', rank: 3 })],
  ['fresh lora on every linear', () => model.newAdapter({ kind: 'lora', rank: 2, alpha: 5, targets: ['q', 'k', 'v', 'o', 'wi_0', 'wi_1', 'wo'] })],
  ['fresh prefix', () => model.newAdapter({ kind: 'prefix', length: 4 })],
  ['fresh prefix at cross-attention', () => model.newAdapter({ kind: 'prefix', length: 3, sites: ['decoder.block.1.cross'], policy: 'preceding' })],
  ['fresh prompt', () => model.newAdapter({ kind: 'prompt', length: 4 })],
  ['generated lora', () => model.adapt(EXAMPLES, { kind: 'lora' })],
  ['generated prefix', () => model.adapt(EXAMPLES, { kind: 'prefix' })],
  ['two ranks, a prefix and a prompt', async () => model.combine([
    await model.newAdapter({ kind: 'lora', rank: 2 }), await model.newAdapter({ kind: 'lora', rank: 4, targets: ['q'], seed: 5 }), await model.newAdapter({ kind: 'prefix', length: 3 }), await model.newAdapter({ kind: 'prompt', length: 2 }),
  ])],
];

describe.each(STARTS)('%s', (_, make) => {
  test('its answers become likelier, it stays as it was, equal seeds give equal bits', async () => {
    const start = await make();
    const [before, values] = [await fit(start), await valuesOf(start)];
    const losses: number[] = [];
    const options: TuneOptions = { steps: 12, batchRows: 2, learningRate: 1e-2, seed: 3 };
    const tuned = await start.tune(EXAMPLES, { ...options, onStep: ({ loss }) => void losses.push(loss) });
    expect(losses).toHaveLength(12);
    expect(await fit(tuned)).toBeGreaterThan(before + 1);
    expect(tuned.kind).toBe(start.kind);
    expect(tuned.parameters).toBe(start.parameters);
    expect(tuned.source).toMatchObject({ origin: 'tuned', tuning: { examples: 5, truncatedQueries: 0, truncatedAnswers: 0 } });
    expect(await valuesOf(start)).toBe(values);
    const moved = await valuesOf(tuned);
    expect(moved).not.toBe(values);
    expect(await valuesOf(await start.tune(EXAMPLES, options))).toBe(moved);
    expect(await valuesOf(await start.tune(EXAMPLES, { ...options, seed: 4 }))).not.toBe(moved);
  });
});

test('a fresh lora gives the logits of no adapter, bit for bit', async () => {
  const fresh = await model.newAdapter({ kind: 'lora', rank: 5, targets: ['q', 'k', 'v', 'o', 'wi_0', 'wi_1', 'wo'] });
  const candidates = QUERIES.map(() => ['fire', 'a longer answer']);
  expect(await model.score(QUERIES, candidates, { adapter: fresh })).toEqual(await model.score(QUERIES, candidates));
});

test('fresh values: A within +-in^-0.5 and filling it, B zero, prefix and prompt standard normal, another seed another draw', async () => {
  const lora = await (await model.newAdapter({ kind: 'lora', rank: 8 })).toFile();
  if (lora.kind !== 'lora') throw new Error(lora.kind);
  for (const { a, b, inFeatures } of lora.modules) {
    const largest = Math.max(...a.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(inFeatures ** -0.5);
    expect(largest).toBeGreaterThan(0.95 * inFeatures ** -0.5);
    expect(b.every((x) => x === 0)).toBe(true);
  }
  for (const kind of ['prefix', 'prompt'] as const) {
    const adapter = await model.newAdapter({ kind, length: 100 });
    const file = await adapter.toFile();
    const values = file.kind === 'prefix' ? [...file.sites[0].k, ...file.sites[0].v] : file.kind === 'prompt' ? [...file.embeddings] : [];
    const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    expect(Math.abs(variance - 1)).toBeLessThan(6 / Math.sqrt(values.length)); // 4 standard errors of a variance, sqrt(2/n) each
    expect(await valuesOf(await model.newAdapter({ kind, length: 100, seed: 1 }))).not.toBe(await valuesOf(adapter));
    expect(await valuesOf(await model.newAdapter({ like: adapter }))).toBe(await valuesOf(adapter));
  }
});

test('a tuned adapter is saved as a PEFT folder where its start would be, and read back the same', async () => {
  const dir = path.join(await mkdtemp(path.join(tmpdir(), 'tuned-')), 'adapter');
  for (const options of [{ kind: 'lora' as const }, { kind: 'prompt' as const, length: 3 }, { kind: 'prefix' as const, length: 3, policy: 'preceding' as const, sites: [0, 1, 2].map((l) => `decoder.block.${l}.self`) }]) {
    const tuned = await (await model.newAdapter(options)).tune(EXAMPLES, { steps: 3 });
    expect(await tuned.save(dir)).toBe('peft');
    const again = await model.loadAdapter(dir);
    expect(await model.generate(QUERIES, { adapter: again })).toEqual(await model.generate(QUERIES, { adapter: tuned }));
    expect(await fit(again)).toBe(await fit(tuned));
    await (await again.tune(EXAMPLES, { steps: 1 })).save(dir);
  }
});

test('a learned logit bias is tuned too', async () => {
  const biased = await HyperT5.load(await tinyFolder(['prefix'], { prefixLogitBias: true }));
  const start = await biased.adapt(EXAMPLES, { kind: 'prefix' });
  const score = async (adapter: Adapter) => (await biased.score(['red blue'], [['blue red']], { adapter }))[0].logLikelihoods[0];
  // The bias starts at -8, where the prefix is nearly unseen: its keys and values alone could not change the answer this much.
  const tuned = await start.tune(EXAMPLES, { steps: 40, learningRate: 0.3 });
  expect(await score(tuned)).toBeGreaterThan((await score(start)) + 1);
  await biased.dispose();
});

test('snapshots are adapters of their own; steps of a schedule', async () => {
  const start = await model.newAdapter({ kind: 'lora' });
  const snapshots: Adapter[] = [];
  const rates: number[] = [];
  const last = await start.tune(EXAMPLES, {
    steps: 4, learningRate: 1e-2, schedule: { warmup: 2, decayFrom: 0.5, floor: 0.1 },
    onStep: async ({ lr, snapshot }) => {
      rates.push(lr);
      snapshots.push(await snapshot());
    },
  });
  expect(await valuesOf(snapshots[3])).toBe(await valuesOf(last));
  expect(new Set(await Promise.all([start, ...snapshots].map(valuesOf))).size).toBe(5);
  expect(rates[0]).toBeCloseTo(5e-3);
  expect(rates[1]).toBeCloseTo(1e-2);
  expect(rates[3]).toBeLessThan(1e-2);
});

test('examples longer than the window are counted', async () => {
  const long = { input: 'word '.repeat(60), output: 'many '.repeat(30) };
  const tuned = await (await model.newAdapter({ kind: 'lora' })).tune([...EXAMPLES, long], { steps: 1 });
  expect(tuned.source.tuning).toEqual({ examples: 6, truncatedQueries: 1, truncatedAnswers: 1 });
});

describe('what goes wrong', () => {
  // Adapters that the tests above dropped are collected at some time or other, which would change what is in use.
  beforeAll(async () => {
    await model.dispose();
    model = await HyperT5.load(folder);
  });

  const WRONG: [string, readonly Example[], TuneOptions, object][] = [
    ['no examples', [], {}, { code: 'EXAMPLES_EMPTY' }],
    ['an output that is no string', [{ input: 'x' } as Example], {}, { code: 'ARGUMENT_INVALID', field: 'examples[0].output' }],
    ['no step', EXAMPLES, { steps: 0 }, { code: 'ARGUMENT_RANGE', field: 'steps' }],
    ['a rate that is NaN', EXAMPLES, { learningRate: NaN }, { code: 'ARGUMENT_RANGE', field: 'learningRate' }],
    ['a rate of 0', EXAMPLES, { learningRate: 0 }, { code: 'ARGUMENT_RANGE', field: 'learningRate' }],
    ['half a row', EXAMPLES, { batchRows: 0.5 }, { code: 'ARGUMENT_RANGE', field: 'batchRows' }],
    ['a negative seed', EXAMPLES, { seed: -1 }, { code: 'ARGUMENT_RANGE', field: 'seed' }],
    ['a negative decay', EXAMPLES, { weightDecay: -1 }, { code: 'ARGUMENT_RANGE', field: 'weightDecay' }],
    ['an abort before the first step', EXAMPLES, { signal: AbortSignal.abort() }, { code: 'ABORTED' }],
    ['a rate so high that values overflow', EXAMPLES, { learningRate: 3e38, steps: 5 }, { code: 'NUMERIC', remedy: expect.stringMatching(/learning rate/) }],
  ];

  test.each(WRONG)('%s: a coded error, and nothing stays taken', async (_, examples, options, error) => {
    const start = await model.newAdapter({ kind: 'lora' });
    (await start.tune(EXAMPLES, { steps: 1 })).dispose();
    const [values, before] = [await valuesOf(start), await inUse()];
    await expect(start.tune(examples, options)).rejects.toMatchObject({ name: 'HypertuneError', ...error });
    expect(await valuesOf(start)).toBe(values);
    expect(await inUse()).toEqual(before);
    start.dispose();
    expect(model.info().adapters).toBe(before.adapters - 1);
  });

  test('an abort in the middle, and an error of onStep', async () => {
    const start = await model.newAdapter({ kind: 'prefix', length: 3 });
    (await start.tune(EXAMPLES, { steps: 1 })).dispose();
    const before = await inUse();
    const abort = new AbortController();
    await expect(start.tune(EXAMPLES, { signal: abort.signal, onStep: ({ step }) => void (step === 2 && abort.abort()) })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(start.tune(EXAMPLES, { onStep: () => Promise.reject(new Error('mine')) })).rejects.toThrow('mine');
    expect(await inUse()).toEqual(before);
    start.dispose();
  });

  test('an adapter that was disposed before or during the call', async () => {
    const gone = await model.newAdapter({ kind: 'lora' });
    gone.dispose();
    await expect(gone.tune(EXAMPLES)).rejects.toMatchObject({ code: 'HANDLE_CLOSED', field: 'adapter' });
    const held = await model.newAdapter({ kind: 'lora' });
    const tuned = await held.tune(EXAMPLES, { steps: 2, onStep: () => held.dispose() });
    expect(await fit(tuned)).toBeLessThan(0);
    expect(held.disposed).toBe(true);
    tuned.dispose();
  });

  test('a model that was disposed before or during the call', async () => {
    const other = await HyperT5.load(folder);
    const adapter = await other.newAdapter({ kind: 'lora' });
    await expect(adapter.tune(EXAMPLES, { steps: 50, onStep: () => void other.dispose() })).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
    await other.dispose();
    await expect(adapter.tune(EXAMPLES)).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
    await expect(other.newAdapter({ kind: 'lora' })).rejects.toMatchObject({ code: 'HANDLE_CLOSED', field: 'model' });
  });

  test.each([
    [{ kind: 'dora' as 'lora' }, { code: 'ARGUMENT_INVALID', field: 'kind' }],
    [{ kind: 'lora' as const, rank: 0 }, { code: 'ARGUMENT_RANGE', field: 'rank' }],
    [{ kind: 'lora' as const, rank: 1e6 }, { code: 'ARGUMENT_RANGE', field: 'rank' }],
    [{ kind: 'lora' as const, alpha: NaN }, { code: 'ARGUMENT_RANGE', field: 'alpha' }],
    [{ kind: 'lora' as const, targets: [] }, { code: 'ARGUMENT_INVALID', field: 'targets' }],
    [{ kind: 'lora' as const, targets: ['wi' as const] }, { code: 'ARGUMENT_INVALID', field: 'targets' }],
    [{ kind: 'prefix' as const, length: 1.5 }, { code: 'ARGUMENT_RANGE', field: 'length' }],
    [{ kind: 'prefix' as const, sites: ['encoder.block.0.cross'] }, { code: 'ARGUMENT_INVALID', field: 'sites' }],
    [{ kind: 'prompt' as const, length: 100_000 }, { code: 'ARGUMENT_RANGE' }],
    [{ kind: 'lora' as const, seed: 0.5 }, { code: 'ARGUMENT_RANGE', field: 'seed' }],
  ])('a fresh adapter of %j is refused', async (options, error) => {
    const { adapters } = model.info();
    await expect(model.newAdapter(options)).rejects.toMatchObject({ name: 'HypertuneError', ...error });
    expect(model.info().adapters).toBe(adapters);
  });
});
