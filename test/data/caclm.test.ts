import { describe, expect, test } from 'vitest';
import { CaclmSampler } from '../../lib/data/caclm.ts';
import { packingShare, rowOf } from '../../lib/data/packing.ts';
import { TextCorpus } from '../../lib/data/text-corpus.ts';
import { FakeEncoder } from './fake-encoder.ts';

/** Document d is d * 1000 + 10, + 11, ...: an id says where it comes from. */
const documents = (lengths: number[]) => TextCorpus.of(lengths.map((length, d) => Int32Array.from({ length }, (_, i) => d * 1000 + 10 + i)));
const SMALL = { rows: 12, windowTokens: 40, queryTokens: 4, answerTokens: 8, sideTokens: 5, minDocumentTokens: 24 };
const encoder = new FakeEncoder();
const sampler = (lengths = [60, 24, 30, 23, 90], options = {}) => new CaclmSampler(documents(lengths), encoder, 5, { ...SMALL, ...options });

describe('CaclmSampler', () => {
  test('A, B, C and D are neighbours in one document, of the lengths asked for', () => {
    const starts = new Set<number>();
    for (let step = 0; step < 30; step++) {
      for (const { a, b, c, d, document } of sampler().windows(step)) {
        const joined = [...a, ...b, ...c, ...d];
        expect(joined).toEqual(joined.map((_, i) => joined[0] + i));
        expect(Math.floor(joined[0] / 1000)).toBe(document);
        expect(joined.length).toBe(Math.min(40, [60, 24, 30, 23, 90][document]));
        expect([b.length, c.length]).toEqual([4, 8]);
        expect(Math.min(a.length, d.length)).toBeGreaterThanOrEqual(5);
        expect(document).not.toBe(3);
        starts.add(a.length);
      }
    }
    expect([...starts].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 19 }, (_, i) => 5 + i)); // 5 .. 40 - 4 - 8 - 5
  });

  test('the hypermodel reads A, end token, D; the T5 reads B; the labels are C without an end', () => {
    const source = sampler();
    const { hyper, encoder: query, decoder, labels, setOfRow } = source.batch(3);
    for (const [r, { a, b, c, d }] of source.windows(3).entries()) {
      expect([...rowOf(hyper, r)]).toEqual([...a, encoder.eosId, ...d]);
      expect([...rowOf(query, r)]).toEqual([...b]);
      expect([...rowOf({ ids: labels, offsets: decoder.offsets }, r)]).toEqual([...c]);
      expect([...rowOf(decoder, r)]).toEqual([encoder.padId, ...c.subarray(0, -1)]);
    }
    expect([...setOfRow]).toEqual([...Array(12).keys()]);
  });

  test('controls: B alone, the evidence of another document, A B D in one row', () => {
    const source = sampler();
    const windows = source.windows(3);
    const batch = source.batch(3);
    const { none, wrong, concat } = source.controls(3);
    expect(none).toEqual({ encoder: batch.encoder, decoder: batch.decoder, labels: batch.labels });
    expect({ ...wrong, setOfRow: batch.setOfRow }).toEqual(batch);
    wrong.setOfRow.forEach((set, r) => expect(windows[set].document).not.toBe(windows[r].document));
    for (const [r, { a, b, d }] of windows.entries()) expect([...rowOf(concat.encoder, r)]).toEqual([...a, ...b, ...d]);
    expect([concat.labels, concat.decoder]).toEqual([batch.labels, batch.decoder]);
    expect(() => sampler([60]).controls(0)).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
  });

  test('pure in seed, step and microbatch; short documents are counted', () => {
    expect(sampler().batch(4)).toEqual(sampler().batch(4));
    expect(sampler().batch(4, 1)).toEqual(sampler().batch(4, 1));
    expect(sampler().batch(4)).toEqual(sampler().batch(4, 0));
    expect(sampler().batch(4)).not.toEqual(sampler().batch(4, 1));
    expect(sampler().batch(4)).not.toEqual(sampler().batch(5));
    expect(sampler().skipped).toBe(1);
  });

  test('lengths that cannot be are refused', () => {
    expect(() => sampler([20, 10])).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
    for (const options of [{ rows: 0 }, { windowTokens: 21 }, { minDocumentTokens: 21 }, { answerTokens: 1.5 }, { sideTokens: NaN }]) {
      expect(() => sampler(undefined, options)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: Object.keys(options)[0] }));
    }
  });
});

test('packingShare: real tokens against padding to the longest row', () => {
  expect(packingShare(Int32Array.of(0, 3, 3, 8))).toEqual({ tokens: 8, padded: 15, share: 8 / 15 });
  expect(packingShare(Int32Array.of(0, 3, 3, 8), 8)).toEqual({ tokens: 8, padded: 24, share: 1 / 3 });
  expect(packingShare(Int32Array.of(0))).toEqual({ tokens: 0, padded: 0, share: 1 });
});
