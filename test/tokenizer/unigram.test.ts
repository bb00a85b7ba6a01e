import { expect, test } from 'vitest';
import { AlignedText } from '../../lib/tokenizer/aligned-text.ts';
import { TokenBuffer } from '../../lib/tokenizer/token-buffer.ts';
import { Unigram } from '../../lib/tokenizer/unigram.ts';
import { UnitTrie } from '../../lib/tokenizer/unit-trie.ts';
import { random } from './fixtures.ts';

function encode(model: Unigram, text: string, from = 0, to = text.length): number[] {
  const out = new TokenBuffer();
  model.encode(AlignedText.of(text), from, to, out);
  return [...out.ids()];
}

/** The best segmentation by trying all: its score, unknown characters scoring `unkScore`. */
function bestScore(text: string, scores: ReadonlyMap<string, number>, unkScore: number): number {
  if (text === '') return 0;
  let best = -Infinity;
  for (let length = 1; length <= text.length; length++) {
    const own = scores.get(text.slice(0, length)) ?? (length === 1 ? unkScore : -Infinity);
    if (own > -Infinity) best = Math.max(best, own + bestScore(text.slice(length), scores, unkScore));
  }
  return best;
}

test('finds the segmentation of the greatest probability', () => {
  const next = random(1);
  const pick = (alphabet: string, length: number): string => Array.from({ length }, () => alphabet[Math.floor(next() * alphabet.length)]).join('');
  for (let round = 0; round < 100; round++) {
    const pieces = ['<unk>', ...new Set(Array.from({ length: 12 }, () => pick('abc', 1 + Math.floor(next() * 3))))];
    const scores = Float64Array.from(pieces, (_, id) => (id === 0 ? 0 : -1 - 10 * next()));
    const model = new Unigram({ pieces, scores, unkId: 0, byteFallback: false, singlePrecision: false });
    const unkScore = Math.min(...scores) - 10;
    const text = pick('abcd', 9);
    const ids = encode(model, text);
    const known = ids.filter((id) => id !== 0);
    const unknown = text.length - known.reduce((sum, id) => sum + pieces[id].length, 0);
    const score = known.reduce((sum, id) => sum + scores[id], 0) + unknown * unkScore;
    const expected = bestScore(text, new Map(pieces.slice(1).map((piece, i) => [piece, scores[i + 1]])), unkScore);
    expect(score).toBeCloseTo(expected, 9); // sums of at most nine float64 in another order
  }
});

const LETTERS = { pieces: ['<unk>', 'a', 'b', 'ab'], scores: Float64Array.of(0, -1, -1, -2), unkId: 0, byteFallback: false };

test('of equals, the segmentation whose last piece starts first wins', () => {
  expect(encode(new Unigram({ ...LETTERS, singlePrecision: false }), 'ab')).toEqual([3]);
});

test('neighbouring unknown characters become one id', () => {
  const model = new Unigram({ ...LETTERS, singlePrecision: false });
  expect(encode(model, 'xyzaxy')).toEqual([0, 1, 0]);
  expect(encode(model, '🙂🙂')).toEqual([0]);
});

test('encodes a range of the text', () => {
  expect(encode(new Unigram({ ...LETTERS, singlePrecision: false }), 'xabx', 1, 3)).toEqual([3]);
  expect(encode(new Unigram({ ...LETTERS, singlePrecision: false }), 'ab', 1, 1)).toEqual([]);
});

test('pieces that may not match do not', () => {
  expect(encode(new Unigram({ ...LETTERS, singlePrecision: false, matchable: (id) => id !== 3 }), 'ab')).toEqual([1, 2]);
});

test('the trie holds every key and nothing else', () => {
  const next = random(9);
  const keys = [...new Set(Array.from({ length: 2000 }, () => Math.floor(next() * 1e9).toString(36).slice(0, 1 + Math.floor(next() * 5))))];
  const trie = UnitTrie.of(keys);
  keys.forEach((key, i) => expect(trie.find(`<${key}>`, 1, 1 + key.length)).toBe(i));
  for (const absent of ['', 'Z', `${keys[0]}Z`, '\0']) expect(trie.find(absent, 0, absent.length)).toBe(-1);
});
