import { describe, expect, test } from 'vitest';
import { answerLabels, hyperInput, queryInput } from '../../lib/data/hyper-input.ts';
import { FakeEncoder } from './fake-encoder.ts';

const encoder = new FakeEncoder();
const EXAMPLES = [
  { input: 'a b', output: 'c' }, // 5 tokens with markers
  { input: 'd e f g', output: 'h i' }, // 8
  { input: 'j', output: 'k' }, // 4
];
const text = (ids: Int32Array) => encoder.decode(ids);

describe('hyperInput', () => {
  test('is the examples between their markers, without an end', () => {
    const { ids, ...rest } = hyperInput(encoder, EXAMPLES, { maxTokens: 100 });
    expect(text(ids)).toBe('<99> a b <98> c <99> d e f g <98> h i <99> j <98> k');
    expect(rest).toEqual({ used: 3, dropped: 0, truncated: false });
  });

  test('a definition stands in front without a marker', () => {
    const { ids } = hyperInput(encoder, EXAMPLES.slice(0, 1), { maxTokens: 100, definition: 'do this' });
    expect(text(ids)).toBe('do this <99> a b <98> c');
  });

  test.each([
    [17, 3],
    [16, 2],
    [13, 2],
    [12, 1], // the third example would fit, but examples are dropped from the end
    [5, 1],
  ])('a window of %i tokens holds %i whole examples', (maxTokens, used) => {
    const hyper = hyperInput(encoder, EXAMPLES, { maxTokens });
    expect(hyper).toMatchObject({ used, dropped: 3 - used, truncated: false });
    expect(hyper.ids).toEqual(hyperInput(encoder, EXAMPLES.slice(0, used), { maxTokens: 100 }).ids);
  });

  test('a first example longer than the window loses its end', () => {
    const hyper = hyperInput(encoder, EXAMPLES, { maxTokens: 3 });
    expect(text(hyper.ids)).toBe('<99> a b');
    expect(hyper).toMatchObject({ used: 1, dropped: 2, truncated: true });
  });

  test('a definition longer than the window leaves no room for examples', () => {
    const hyper = hyperInput(encoder, EXAMPLES, { maxTokens: 2, definition: 'one two three' });
    expect(text(hyper.ids)).toBe('one two');
    expect(hyper).toMatchObject({ used: 0, dropped: 3, truncated: true });
  });

  test('empty fields keep their markers', () => {
    expect(text(hyperInput(encoder, [{ input: '', output: '' }], { maxTokens: 9 }).ids)).toBe('<99> <98>');
  });

  test('no examples, or a window without room, is an error', () => {
    expect(() => hyperInput(encoder, [], { maxTokens: 9 })).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
    expect(encoder.decode(hyperInput(encoder, [], { maxTokens: 9, definition: 'just this' }).ids)).toBe('just this');
    for (const maxTokens of [0, -1, 2.5, NaN]) {
      expect(() => hyperInput(encoder, EXAMPLES, { maxTokens })).toThrow(
        expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'maxTokens' }),
      );
    }
  });
});

describe('queries and answers', () => {
  test('a query keeps its last tokens', () => {
    const query = queryInput(encoder, 'a b c d', { maxTokens: 3 });
    expect([text(query.ids), query.truncated]).toEqual(['b c d', true]);
    expect(text(queryInput(encoder, 'a b c d', { maxTokens: 3, eos: true }).ids)).toBe('c d $');
    expect(queryInput(encoder, 'a b', { maxTokens: 2 }).truncated).toBe(false);
  });

  test('an empty query is one end token, an empty answer too', () => {
    expect(text(queryInput(encoder, '', { maxTokens: 3 }).ids)).toBe('$');
    expect(text(queryInput(encoder, '  ', { maxTokens: 3, eos: true }).ids)).toBe('$');
    expect(text(answerLabels(encoder, '', { maxTokens: 3 }).ids)).toBe('$');
  });

  test('an answer that is too long keeps its beginning and has no end', () => {
    const answer = answerLabels(encoder, 'a b c', { maxTokens: 3 });
    expect([text(answer.ids), answer.truncated]).toEqual(['a b c', true]);
    expect(text(answerLabels(encoder, 'a b c', { maxTokens: 4 }).ids)).toBe('a b c $');
  });
});
