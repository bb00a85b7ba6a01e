import { describe, expect, test } from 'vitest';
import { goldens, readJsonFixture, sentencePiece, type Vector } from './fixtures.ts';

const WITHOUT_EOS = { addSpecialTokens: false };

describe.each(['t5style-4k', 't5style-16k'])('%s', (name) => {
  const vectors = readJsonFixture<Vector[]>(`${name}.vectors.json`);
  const tokenizer = sentencePiece(name);

  test('gives the ids of SentencePiece for running text', () => {
    expect(vectors.length).toBeGreaterThan(100);
    for (const { text, ids } of vectors) expect([...tokenizer.encode(text, WITHOUT_EOS)], text).toEqual(ids);
  });

  test('has the special ids of T5', () => {
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.unkId]).toEqual([0, 1, 2]);
  });
});

test('the goldens come from SentencePiece 0.2.2', () => {
  expect(goldens.versions.sentencepiece).toBe('0.2.2');
});

// Without sentinels, as SentencePiece does not know them; options beyond those of T5 included.
describe.each(Object.entries(goldens.sentencepiece))('%s', (name, rows) => {
  const tokenizer = sentencePiece(name);

  test('gives the ids of SentencePiece for odd text', () => {
    rows.forEach(([ids], i) => {
      expect([...tokenizer.encode(goldens.texts[i], WITHOUT_EOS)], JSON.stringify(goldens.texts[i])).toEqual(ids);
    });
  });

  test('decodes as SentencePiece does', () => {
    const known = rows.filter(([ids]) => !ids.includes(tokenizer.unkId)); // there, unknown pieces print as "⁇"
    expect(known.length).toBeGreaterThan(10);
    for (const [ids, decoded] of known) expect(tokenizer.decode(ids)).toBe(decoded);
  });
});

test('path scores are rounded to float32: where segmentations tie, the ids are those of SentencePiece', () => {
  const tokenizer = sentencePiece('t5style-16k');
  const text = 'ggggggoooi iiimmmmmaaaa ooooaaaeeee aaassssssmmm ṃ eeeaaaaaa';
  // With float64 sums, "…,2391,91,18,…" near the end.
  expect([...tokenizer.encode(text, WITHOUT_EOS)]).toEqual([
    734, 1625, 1625, 710, 3280, 130, 275, 6599, 2391, 2391, 417, 90, 90, 90, 18, 3280, 3280, 90, 90, 90, 2015, 2015, 9, 90, 392, 6, 6, 6, 6,
    6, 91, 2391, 18, 2, 450, 67, 1665, 90, 90, 90, 90, 90,
  ]);
});
