import { describe, expect, test } from 'vitest';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { goldens, type GoldenRow, sentencePiece, shippedJson } from './fixtures.ts';

function expectRows(tokenizer: Tokenizer, rows: readonly GoldenRow[]): void {
  expect(rows.length).toBe(goldens.texts.length);
  rows.forEach(([ids, decoded, decodedWithSpecial], i) => {
    const text = goldens.texts[i];
    expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false }), JSON.stringify(text)).toBe(decodedWithSpecial);
  });
}

describe('ids and text are those of the tokenizers library', () => {
  test.each(goldens.tokenizers)('$name', ({ change, rows }) => {
    const json = shippedJson();
    const charsMap = JSON.stringify(json.normalizer);
    const changed = JSON.parse(JSON.stringify(change).replaceAll('"charsmap"', charsMap)) as object;
    expectRows(Tokenizer.fromJSON({ ...json, ...changed }), rows);
  });
});

describe('ids and text are those of T5Tokenizer in transformers', () => {
  test('built from a SentencePiece model', () => {
    expectRows(Tokenizer.fromJSON(sentencePiece('t5style-16k', 100).toJSON()), goldens.transformers['t5style-16k'].rows);
  });

  test('built from one with byte fallback, which it does without', () => {
    const json = shippedJson();
    const model = { ...(json.model as object), byte_fallback: false };
    const decoder = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' };
    expectRows(Tokenizer.fromJSON({ ...json, model, decoder }), goldens.transformers['t5style-4k'].rows);
  });
});

test('offsets are those of transformers for plain text, in UTF-16 units', () => {
  const tokenizer = Tokenizer.fromJSON(sentencePiece('t5style-16k', 100).toJSON());
  goldens.transformers['t5style-16k'].offsets.forEach((pairs, i) => {
    const text = goldens.texts[i];
    const units = [0]; // UTF-16 offset of each code point
    for (const character of text) units.push(units[units.length - 1] + character.length);
    const { offsets } = tokenizer.encodeWithOffsets(text);
    expect([...offsets], text).toEqual(pairs.flat().map((at) => units[at]));
  });
});

test('an exported SentencePiece model segments running text as before', () => {
  for (const name of ['t5style-4k', 't5style-16k', 'spaces-kept', 'user-defined', 'no-prefix']) {
    const original = sentencePiece(name);
    const exported = Tokenizer.fromJSON(JSON.parse(JSON.stringify(original)));
    expect(exported.vocabSize).toBe(original.vocabSize);
    const texts = [...goldens.texts.slice(0, goldens.plain), '  two   spaces ', ' ', '', 'a gg b', 'x<sep>word ', 'é日🙂', 'one\ntwo\tthree '];
    for (const text of texts) expect([...exported.encode(text)], `${name}: ${text}`).toEqual([...original.encode(text)]);
  }
});
