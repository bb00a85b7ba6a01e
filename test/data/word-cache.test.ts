import { expect, test } from 'vitest';
import { TextSampler } from '../../lib/data/text-modes.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { WordCache } from '../../lib/data/word-cache.ts';
import { FakeEncoder } from './fake-encoder.ts';

/** Counts calls, and spells words as a `▁` and letters, so that a word has several ids. */
class Letters extends FakeEncoder {
  calls = 0;

  override encode(text: string): Int32Array {
    this.calls++;
    return super.encode(text.replace(/\S+/g, (word) => `\u2581 ${[...word].join(' ')}`));
  }
}

test('gives the ids of the wrapped encoder and asks once for each word', () => {
  const plain = new Letters();
  const wrapped = new Letters();
  const cache = new WordCache(wrapped);
  for (const text of ['cat sat', 'sat cat cat', 'cat', 'Cat 12, on-to']) expect(cache.encode(text)).toEqual(plain.encode(text));
  expect(wrapped.calls).toBe(5);
  cache.encode('sat on-to');
  expect(wrapped.calls).toBe(5);
});

test('other text goes to the encoder as a whole', () => {
  const wrapped = new Letters();
  const cache = new WordCache(wrapped);
  for (const text of ['', ' cat', 'cat  sat', 'caf\u00e9', 'cat\nsat', '<extra_id_0>', 'cat ']) {
    const before = wrapped.calls;
    cache.encode(text);
    cache.encode(text);
    expect(wrapped.calls - before, JSON.stringify(text)).toBe(2);
  }
});

test('special ids are those of the encoder', () => {
  const cache = new WordCache(new FakeEncoder());
  expect([cache.eosId, cache.padId, cache.sentinelId(0), cache.sentinelId(98), cache.sentinelId(98)]).toEqual([1, 0, 9999, 9901, 9901]);
});

test('batches are the same with and without it', () => {
  const source = new Universe().trained;
  const options = { rows: 30, mix: { cue: 1, induce: 1, den: 1, none: 1 } };
  const vocabulary = new FakeEncoder();
  const plain = new TextSampler(source, vocabulary, 1, options).batch(0);
  expect(new TextSampler(source, new WordCache(vocabulary), 1, options).batch(0)).toEqual(plain);
});
