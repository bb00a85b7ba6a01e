import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { rowOf } from '../../lib/data/packing.ts';
import { TextCorpus } from '../../lib/data/text-corpus.ts';
import { corruptedLengths, PrefixLmSampler, SpanCorruptionSampler, WindowSource } from '../../lib/data/windows.ts';
import { Random } from '../../lib/data/random.ts';
import { FakeEncoder } from './fake-encoder.ts';
import { folderOf, jsonl } from './files.ts';

async function read(files: Record<string, string>, options = {}) {
  const encoder = new FakeEncoder();
  const folder = folderOf(files);
  const corpus = await TextCorpus.open(Object.keys(files).map((name) => path.join(folder, name)), encoder, options);
  return { corpus, texts: corpus.documents.map((ids) => encoder.decode(ids)) };
}

describe('TextCorpus', () => {
  const text = 'first line\r\nsecond line\n\n\nnew document\n';

  test('documents are lines, or stand between blank lines', async () => {
    expect((await read({ 'a.txt': text })).texts).toEqual(['first line', 'second line', 'new document']);
    expect((await read({ 'a.txt.gz': text }, { documents: 'blank-line' })).texts).toEqual(['first line second line', 'new document']);
  });

  test('JSON Lines; broken lines are reported', async () => {
    const { corpus, texts } = await read({ 'a.jsonl': `${jsonl({ text: 'one two\nthree' })}{"text": 3}\nnot json\n${jsonl({ text: '  ' }, { text: 'four' })}`, 'b.txt': 'five' });
    expect(texts).toEqual(['one two three', 'four', 'five']);
    expect(corpus.report).toMatchObject({ files: 2, documents: 3, tokens: 5, complete: true, broken: 2, problems: [{ line: 2 }, { line: 3 }] });
  });

  test('stops at the limit and says so; documents larger than a chunk stay whole', async () => {
    const { corpus, texts } = await read({ 'a.txt': 'a b c\nd e\nf\n' }, { maxTokens: 5 });
    expect(texts).toEqual(['a b c', 'd e']);
    expect(corpus.report).toMatchObject({ tokens: 5, complete: false });
    const { corpus: large } = await read({ 'a.txt': `x\n${'y '.repeat(1_100_000)}\nz z` });
    expect(large.documents.map((ids) => ids.length)).toEqual([1, 1_100_000, 2]);
  });

  test('no text is an error', async () => {
    await expect(read({ 'a.txt': '\n \n' })).rejects.toMatchObject({ code: 'EXAMPLES_EMPTY' });
    await expect(read({ 'a.txt': 'x' }, { maxTokens: 0 })).rejects.toMatchObject({ code: 'ARGUMENT_RANGE' });
    await expect(TextCorpus.open(['/does/not/exist.txt'], new FakeEncoder())).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

/** 0: ids 100 .. 129; 1: ids 200 .. 209; 2: two ids. */
const corpus = TextCorpus.of([Int32Array.from({ length: 30 }, (_, i) => 100 + i), Int32Array.from({ length: 10 }, (_, i) => 200 + i), Int32Array.of(5, 6)]);

test('windows: documents in proportion to their length, every place', () => {
  const source = new WindowSource(corpus, 3);
  const drawn = Array.from({ length: 4000 }, (_, i) => source.draw(8, Random.stream(1, i)));
  expect(source.skipped).toBe(1);
  const long = drawn.filter(({ document }) => document === 0);
  expect(Math.abs(long.length - 3000)).toBeLessThan(5 * 27.4); // standard deviation sqrt(4000 * 3/16)
  expect(new Set(long.map(({ ids }) => ids[0])).size).toBe(23);
  for (const { ids } of drawn) expect(ids).toHaveLength(8);
});

test('lengths of T5: 512 ids with the end token come from 568, targets are 114', () => {
  // random_spans_helper counts the end token of the input, which our rows do not have
  expect(corruptedLengths(511, 0.15, 3)).toEqual({ window: 568, target: 114 });
});

describe('span corruption', () => {
  const encoder = new FakeEncoder();
  const sampler = new SpanCorruptionSampler(corpus, encoder, 1, { rows: 20, encoderTokens: 12 });

  test('source and target together are the window', () => {
    const { encoder: sources, decoder, labels } = sampler.batch(2);
    for (let r = 0; r < 20; r++) {
      const [source, target] = [[...rowOf(sources, r)], [...rowOf({ ids: labels, offsets: decoder.offsets }, r)]];
      expect(source.length).toBeLessThanOrEqual(12);
      expect(target.at(-1)).toBe(encoder.eosId);
      const spans = new Map<number, number[]>();
      let span: number[] = [];
      for (const id of target.slice(0, -1)) {
        if (id >= 9900) spans.set(id, (span = []));
        else span.push(id);
      }
      const whole = source.flatMap((id) => spans.get(id) ?? [id]);
      expect(whole).toEqual(whole.map((_, i) => whole[0] + i));
      expect(spans.size).toBeGreaterThan(0);
    }
  });

  test('pure in step and microbatch', () => {
    expect(sampler.batch(2)).toEqual(new SpanCorruptionSampler(corpus, encoder, 1, { rows: 20, encoderTokens: 12 }).batch(2));
    expect(sampler.batch(2)).not.toEqual(sampler.batch(2, 1));
    for (const options of [{ rows: 0 }, { density: 1 }, { meanSpan: 0.5 }, { encoderTokens: 0 }]) {
      expect(() => new SpanCorruptionSampler(corpus, encoder, 1, options)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: Object.keys(options)[0] }));
    }
  });
});

test('prefix language modelling: both sides of a random cut', () => {
  const sampler = new PrefixLmSampler(corpus, new FakeEncoder(), 1, { rows: 200, windowTokens: 12, minTokens: 4 });
  const { encoder: prefixes, decoder, labels } = sampler.batch(0);
  const cuts = new Set<number>();
  for (let r = 0; r < 200; r++) {
    const [prefix, rest] = [[...rowOf(prefixes, r)], [...rowOf({ ids: labels, offsets: decoder.offsets }, r)]];
    const whole = [...prefix, ...rest];
    expect(whole).toEqual(whole.map((_, i) => whole[0] + i));
    expect(Math.min(prefix.length, rest.length)).toBeGreaterThanOrEqual(4);
    cuts.add(prefix.length);
  }
  expect([...cuts].toSorted((a, b) => a - b)).toEqual([4, 5, 6, 7, 8]);
  expect(sampler.skipped).toBe(1);
  expect(() => new PrefixLmSampler(corpus, new FakeEncoder(), 1, { windowTokens: 7, minTokens: 4 })).toThrow(expect.objectContaining({ field: 'windowTokens' }));
});
