import { describe, expect, test } from 'vitest';
import { StopStream, cutAtStop } from '../../lib/cli/stop-texts.ts';

test('cuts in front of the first stop text', () => {
  expect(cutAtStop('one; two. three', ['.', ';'])).toBe('one');
  expect(cutAtStop('one two', ['.'])).toBe('one two');
  expect(cutAtStop('one two', [])).toBe('one two');
});

describe('StopStream', () => {
  const through = (text: string, size: number, stops: string[]) => {
    const stream = new StopStream(stops);
    const shown: string[] = [];
    for (let i = 0; i < text.length; i += size) shown.push(stream.push(text.slice(i, i + size)));
    shown.push(stream.end());
    return { shown: shown.join(''), ended: stream.ended };
  };

  test.each([1, 2, 3, 7, 100])('gives the same as cutting the whole, in pieces of %i', (size) => {
    for (const [text, stops] of [['abcabd tail', ['abd']], ['aab', ['ab']], ['no stop here', ['xyz', 'her!']], ['ends with ab', ['abc']], ['x##y', ['##', '#y']]] as const) {
      expect(through(text, size, [...stops])).toEqual({ shown: cutAtStop(text, stops), ended: cutAtStop(text, stops) !== text });
    }
  });

  test('holds back no more than what may begin a stop text', () => {
    const stream = new StopStream(['STOP']);
    expect(stream.push('go ST')).toBe('go ');
    expect(stream.push('AR')).toBe('STAR');
    expect(stream.push('STOP after')).toBe('');
    expect(stream.push('more')).toBe('');
  });
});
