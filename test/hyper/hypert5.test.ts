// HyperT5 as its users meet it: bad input, batches of adapters, streaming, aborting, closing.
import { cp, mkdtemp, open, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HyperT5, HypertuneError } from '../../lib/index.ts';
import type { AdapterFile } from '../../lib/files/adapter-file.ts';
import type { Adapter } from '../../lib/index.ts';
import { tinyFolder } from './support.ts';

const EXAMPLES = [{ input: 'cat', output: 'cats' }, { input: 'bus', output: 'buses' }, { input: 'dog', output: 'dogs' }];

let folder: string;
let model: HyperT5;
beforeAll(async () => {
  folder = await tinyFolder(['prefix', 'lora']);
  model = await HyperT5.load(folder, { bank: { maxRank: 16, maxLength: 16 } });
});
afterAll(() => model.dispose());

/** A copy of the folder, changed. */
async function damaged(change: (dir: string) => Promise<void>): Promise<string> {
  const dir = path.join(await mkdtemp(path.join(tmpdir(), 'damaged-')), 'model');
  await cp(folder, dir, { recursive: true });
  await change(dir);
  return dir;
}

async function rewriteHeader(file: string, change: (header: any) => void, keepData = true): Promise<void> {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  await writeFile(file, Buffer.concat([size, text, keepData ? bytes.subarray(8 + length) : Buffer.alloc(0)]));
}

const T5 = 'model.safetensors';
const FIRST = 'encoder.block.0.layer.0.SelfAttention.q.weight';

describe('folders that cannot be loaded', () => {
  const cases: [string, string, (dir: string) => Promise<void>][] = [
    ['no folder', 'FILE_NOT_FOUND', (dir) => rm(dir, { recursive: true })],
    ['no weights', 'FILE_NOT_FOUND', (dir) => unlink(path.join(dir, T5))],
    ['weights cut off', 'FILE_TRUNCATED', (dir) => truncate(path.join(dir, T5), 5000)],
    ['a header longer than the file', 'FILE_TRUNCATED', async (dir) => {
      const file = await open(path.join(dir, T5), 'r+');
      await file.write(Buffer.from(BigUint64Array.of(1n << 26n).buffer), 0, 8, 0);
      await file.close();
    }],
    ['overlapping tensors', 'TENSOR_RANGE', (dir) => rewriteHeader(path.join(dir, T5), (h) => (h[FIRST].data_offsets = h[FIRST].data_offsets.map((o: number) => o - 16)))],
    ['offsets beyond the file', 'FILE_TRUNCATED|TENSOR_RANGE', (dir) => rewriteHeader(path.join(dir, T5), (h) => (h[FIRST].data_offsets = h[FIRST].data_offsets.map((o: number) => o + 1e9)))],
    ['a wrong dtype', 'TENSOR_DTYPE|TENSOR_RANGE', (dir) => rewriteHeader(path.join(dir, T5), (h) => (h[FIRST].dtype = 'I32'))],
    ['a missing tensor', 'TENSOR_MISSING', (dir) => rewriteHeader(path.join(dir, T5), (h) => {
      h['other.weight'] = h[FIRST];
      delete h[FIRST];
    })],
    ['a shape that is not the configuration\'s', 'TENSOR_SHAPE', async (dir) => {
      const file = path.join(dir, 'config.json');
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), d_ff: 30 }));
    }],
    ['a NaN among the weights', 'TENSOR_NON_FINITE', async (dir) => {
      const bytes = await readFile(path.join(dir, T5));
      bytes.writeFloatLE(NaN, bytes.length - 400);
      await writeFile(path.join(dir, T5), bytes);
    }],
    ['pickled weights only', 'FILE_UNSUPPORTED', async (dir) => {
      await unlink(path.join(dir, T5));
      await writeFile(path.join(dir, 'pytorch_model.bin'), 'x');
    }],
    ['an unknown feed-forward', 'CONFIG_UNSUPPORTED', async (dir) => {
      const file = path.join(dir, 'config.json');
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), feed_forward_proj: 'gated-silu' }));
    }],
    ['no tokenizer', 'FILE_NOT_FOUND', (dir) => unlink(path.join(dir, 'tokenizer.json'))],
    ['a tokenizer larger than the embedding', 'TOKENIZER_MISMATCH', async (dir) => {
      const file = path.join(dir, 'tokenizer.json');
      const json = JSON.parse(await readFile(file, 'utf8'));
      json.added_tokens.push({ id: 4100, content: '<one_more>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
      await writeFile(file, JSON.stringify(json));
    }],
    ['a hypermodel without its tensors', 'FILE_NOT_FOUND', (dir) => unlink(path.join(dir, 'hyper-lora', 'hypermodel.safetensors'))],
    ['a hypermodel of an absurd rank', 'CONFIG_INVALID', (dir) => writeFile(path.join(dir, 'hyper-lora', 'hyper_config.json'), '{"kind":"lora","rank":100000}')],
    ['a hypermodel of another rank', 'TENSOR_SHAPE', (dir) => writeFile(path.join(dir, 'hyper-lora', 'hyper_config.json'), '{"kind":"lora","rank":4}')],
    ['an unknown kind of hypermodel', 'CONFIG_UNSUPPORTED', (dir) => writeFile(path.join(dir, 'hyper-lora', 'hyper_config.json'), '{"kind":"adapter"}')],
  ];
  test.each(cases)('%s: %s', async (_, code, change) => {
    const error = await HyperT5.load(await damaged(change)).then(() => undefined, (e: unknown) => e);
    expect(error).toBeInstanceOf(HypertuneError);
    expect((error as HypertuneError).code).toMatch(new RegExp(`^(${code})$`));
    expect((error as HypertuneError).field).toBeTruthy();
  });

  test('cuda, where there is none', async () => {
    await expect(HyperT5.load(folder, { device: 'cuda' })).rejects.toMatchObject({ code: 'CUDA_NOT_BUILT', field: 'device', remedy: expect.any(String) });
    expect(model.info().note).toMatch(/CUDA/);
  });
});

describe('examples', () => {
  test('none, or none of the right type', async () => {
    await expect(model.adapt([])).rejects.toMatchObject({ code: 'EXAMPLES_EMPTY', field: 'examples' });
    await expect(model.adapt([{ input: 'a' } as never])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'examples[0].output' });
    await expect(model.adapt(EXAMPLES, { kind: 'banana' as never })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'kind' });
  });

  test('empty strings are evidence like any other', async () => {
    const adapter = await model.adapt([{ input: '', output: '' }]);
    expect(adapter.source.report).toMatchObject({ used: 1, dropped: 0, tokens: 2 });
    expect(await model.generate([''], { adapter })).toHaveLength(1);
    adapter.dispose();
  });

  test('beyond the window are dropped whole, and counted', async () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ input: `one two ${i}`, output: 'three' }));
    const { report } = (await model.adapt(many)).source;
    expect(report!.used + report!.dropped).toBe(40);
    expect(report!.dropped).toBeGreaterThan(0);
    expect(report!.tokens).toBeLessThanOrEqual(64);
    expect((await model.adapt([{ input: 'long '.repeat(200), output: 'x' }, EXAMPLES[0]])).source.report).toMatchObject({ used: 1, dropped: 1, truncated: true, tokens: 64 });
  });

  test('a folder without hypermodels says what is missing', async () => {
    const plain = await HyperT5.load(await tinyFolder([]));
    await expect(plain.adapt(EXAMPLES)).rejects.toMatchObject({ code: 'CONFIG_UNSUPPORTED', field: 'kind' });
    expect(await plain.generate(['a text'], { maxNewTokens: 2 })).toHaveLength(1);
    await plain.dispose();
  });
});

test('bf16 hypermodels take less memory and write nearly the same adapters', async () => {
  await using half = await HyperT5.load(folder, { dtype: 'bf16' });
  await using full = await HyperT5.load(folder, { dtype: 'f32' });
  for (const kind of ['prefix', 'lora'] as const) {
    const [a, b] = [await half.adapt(EXAMPLES, { kind }), await full.adapt(EXAMPLES, { kind })];
    const [ours, exact] = [await a.toFile(), await b.toFile()];
    const values = (file: AdapterFile): number[] => (file.kind === 'prefix' ? file.sites.flatMap(({ k }) => [...k]) : file.kind === 'lora' ? file.modules.flatMap((m) => [...m.a]) : []);
    const [found, wanted] = [values(ours), values(exact)];
    const rms = (list: number[]) => Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);
    // Weights and activations keep 8 bits, an error of 2^-9 at each of some ten products that follow each other.
    expect(rms(found.map((x, i) => x - wanted[i])) / rms(wanted)).toBeLessThan(0.02);
    expect(found).not.toEqual(wanted);
  }
  expect(half.info().bytes).toBeLessThan(0.85 * full.info().bytes);
});

describe('adapters', () => {
  test('every row of a batch has its own, as alone', async () => {
    const adapters: (Adapter | null)[] = [await model.adapt(EXAMPLES, { kind: 'lora' }), null, await model.adapt(EXAMPLES, { kind: 'prefix' }), await model.adapt([EXAMPLES[1]], { kind: 'lora' })];
    const queries = ['dog', 'house', 'a tree', 'run'];
    const candidates = queries.map(() => ['one', 'two three']);
    const mixed = await model.score(queries, candidates, { adapters });
    for (const [i, adapter] of adapters.entries()) {
      const [alone] = await model.score([queries[i]], [candidates[i]], { adapter: adapter ?? undefined });
      alone.logLikelihoods.forEach((x, k) => expect(x).toBeCloseTo(mixed[i].logLikelihoods[k], 4));
    }
    const distinct = new Set(mixed.map(({ logLikelihoods }) => logLikelihoods[0].toFixed(6)));
    expect(distinct.size).toBe(4);
    for (const adapter of adapters) adapter?.dispose();
  });

  test('a bank of 1,000, freed and filled again', async () => {
    await using model = await HyperT5.load(folder); // in the shared one, adapters that other tests dropped may be collected meanwhile
    const sets = Array.from({ length: 1000 }, (_, i) => [{ input: `word ${i}`, output: `${i}` }]);
    const all: Adapter[] = [];
    for (let i = 0; i < sets.length; i += 100) all.push(...(await model.adaptAll(sets.slice(i, i + 100), { kind: 'lora' })));
    expect(model.info().adapters).toBe(1000);
    const rows = [0, 1, 499, 998, 999];
    const together = await model.score(rows.map(() => 'word'), rows.map(() => ['x y']), { adapters: rows.map((r) => all[r]) });
    for (const [i, r] of rows.entries()) {
      const again = await model.adapt(sets[r], { kind: 'lora' });
      const [{ logLikelihoods }] = await model.score(['word'], [['x y']], { adapter: again });
      expect(logLikelihoods[0]).toBeCloseTo(together[i].logLikelihoods[0], 4);
      again.dispose();
    }
    const bytes = model.info().bytes;
    for (const adapter of all) adapter.dispose();
    expect(model.info().adapters).toBe(0);
    for (const adapter of await model.adaptAll(sets.slice(0, 100), { kind: 'lora' })) adapter.dispose();
    expect(model.info().bytes).toBeLessThanOrEqual(bytes);
  });

  test('closed ones, ones of another model, and wrong lists are refused', async () => {
    const adapter = await model.adapt(EXAMPLES);
    const other = await HyperT5.load(folder);
    await expect(other.generate(['a'], { adapter })).rejects.toMatchObject({ code: 'HANDLE_KIND' });
    await other.dispose();
    await expect(model.generate(['a', 'b'], { adapters: [adapter] })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'adapters' });
    await expect(model.generate(['a'], { adapter, adapters: [adapter] })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(model.generate(['a'], { adapter: {} as never })).rejects.toMatchObject({ code: 'HANDLE_KIND' });
    adapter.dispose();
    adapter.dispose();
    await expect(model.generate(['a'], { adapter })).rejects.toMatchObject({ code: 'HANDLE_CLOSED', field: 'adapter' });
    await expect(adapter.save('/nowhere')).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
  });

  test('an adapter disposed during a call serves it to its end', async () => {
    const adapter = await model.adapt(EXAMPLES);
    const [expected] = await model.generate(['dog'], { adapter });
    const running = model.generate(['dog'], { adapter });
    adapter.dispose();
    const others = await model.adaptAll([[EXAMPLES[0]], [EXAMPLES[1]]]);
    expect((await running)[0]).toBe(expected);
    for (const o of others) o.dispose();
  });

  test('of another base, or too large for the bank', async () => {
    const adapter = await model.adapt(EXAMPLES, { kind: 'lora' });
    const dir = path.join(await mkdtemp(path.join(tmpdir(), 'adapter-')), 'a');
    await adapter.save(dir);
    const file = path.join(dir, 'adapter_model.safetensors');
    await rewriteHeader(file, (h) => {
      for (const entry of Object.values<any>(h)) if (entry.shape?.[0] === 3) entry.shape = [entry.shape[0] * 2, entry.shape[1] / 2];
    });
    await expect(model.loadAdapter(dir)).rejects.toMatchObject({ name: 'HypertuneError', code: expect.stringMatching(/^(TENSOR_SHAPE|ADAPTER_MISMATCH)$/) });
    await expect(model.loadAdapter(path.join(dir, 'nothing'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const small = await HyperT5.load(folder, { bank: { maxRank: 2 } });
    await expect(small.adapt(EXAMPLES, { kind: 'lora' })).rejects.toMatchObject({ code: 'ARGUMENT_RANGE', field: 'rank' });
    await small.dispose();
  });
});

describe('calls', () => {
  test('streaming gives the generated text piece by piece, and can be left', async () => {
    const adapter = await model.adapt(EXAMPLES);
    const [text] = await model.generate(['dog'], { adapter, maxNewTokens: 8 });
    let streamed = '';
    for await (const piece of model.stream('dog', { adapter, maxNewTokens: 8 })) streamed += piece;
    expect(streamed).toBe(text);
    for await (const piece of model.stream('dog', { adapter, maxNewTokens: 8 })) {
      expect(text.startsWith(piece)).toBe(true);
      break;
    }
    expect((await model.generate(['dog'], { adapter, maxNewTokens: 8 }))[0]).toBe(text);
  });

  test('aborted before and during a call', async () => {
    const [text] = await model.generate(['dog'], { maxNewTokens: 8 });
    await expect(model.generate(['dog'], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(model.adapt(EXAMPLES, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    const controller = new AbortController();
    const running = model.generate(['dog'], { maxNewTokens: 4000, minNewTokens: 4000, signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await model.generate(['dog'], { maxNewTokens: 8 }))[0]).toBe(text);
  });

  test('wrong queries and options', async () => {
    await expect(model.generate([])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'queries' });
    await expect(model.generate('dog' as never)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(model.generate([7 as never])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'queries[0]' });
    await expect(model.generate(['a'], { maxNewTokens: 0 })).rejects.toMatchObject({ code: 'ARGUMENT_RANGE' });
    await expect(model.score(['a'], [[]])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'candidates[0]' });
    await expect(model.score(['a'], [])).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', field: 'candidates' });
  });

  test('a query beyond the window keeps its end, and says so', async () => {
    const [result] = await model.generateDetailed(['word '.repeat(100)], { maxNewTokens: 2 });
    expect(result.truncated).toBe(true);
  });

  test('dispose waits for calls in flight, twice is once, and afterwards everything is refused', async () => {
    const own = await HyperT5.load(folder);
    const running = own.generate(['dog'], { maxNewTokens: 8 });
    const closed = own.dispose();
    expect(own.dispose()).toBe(closed);
    await expect(running).resolves.toHaveLength(1);
    await closed;
    await expect(own.generate(['dog'])).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
    await expect(own.adapt(EXAMPLES)).rejects.toMatchObject({ code: 'HANDLE_CLOSED' });
    expect(() => own.info()).toThrow(HypertuneError);
  });
});
