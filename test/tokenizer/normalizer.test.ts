import { describe, expect, test } from 'vitest';
import { AlignedText } from '../../lib/tokenizer/aligned-text.ts';
import { lowercase, type Normalizer, prepend, replace, sequence, strip, unicodeForm } from '../../lib/tokenizer/normalizer.ts';

/** The outcome, with the part of the original that each unit stands for. */
function run(normalizer: Normalizer, text: string): [text: string, parts: string[]] {
  const result = normalizer(AlignedText.of(text));
  return [result.text, Array.from(result.text, (_, i) => text.slice(result.starts[i], result.ends[i]))];
}

describe('each unit remembers what it stands for', () => {
  test('replace', () => {
    expect(run(replace(/ {2,}/gu, '_'), 'a   b')).toEqual(['a_b', ['a', '   ', 'b']]);
    expect(run(replace(/b/gu, 'xy'), 'abc')).toEqual(['axyc', ['a', 'b', 'b', 'c']]);
    expect(run(replace(/b/gu, ''), 'abc')).toEqual(['ac', ['ab', 'c']]);
    expect(run(replace(/a/gu, ''), 'abc')).toEqual(['bc', ['ab', 'c']]);
  });

  test('strip', () => {
    expect(run(strip(true, true), ' \u0085a\u3000')).toEqual(['a', ['a']]);
    expect(run(strip(false, true), ' a ')).toEqual([' a', [' ', 'a']]);
    expect(run(strip(true, true), '\ufeff')).toEqual(['\ufeff', ['\ufeff']]); // no white space
    expect(run(strip(true, true), '  ')).toEqual(['', []]);
  });

  test('prepend', () => {
    expect(run(prepend('▁'), 'ab')).toEqual(['▁ab', ['a', 'a', 'b']]);
    expect(run(prepend('▁'), '')).toEqual(['', []]);
  });

  test('lowercase', () => {
    expect(run(lowercase(), 'AİΣ')).toEqual(['ai\u0307σ', ['A', 'İ', 'İ', 'Σ']]);
  });

  test('Unicode forms', () => {
    expect(run(unicodeForm('NFC'), 'xe\u0301')).toEqual(['xé', ['x', 'e\u0301']]);
    expect(run(unicodeForm('NFKD'), 'ﬁé')).toEqual(['fie\u0301', ['ﬁ', 'ﬁ', 'é', 'é']]);
    expect(run(unicodeForm('NFC'), '\u1100\u1161\u11a8')[0]).toBe('각');
  });

  test('one after the other', () => {
    expect(run(sequence([unicodeForm('NFKC'), replace(/ /gu, '▁')]), 'ﬁ x')).toEqual(['fi▁x', ['ﬁ', 'ﬁ', ' ', 'x']]);
  });
});

test.each(['NFC', 'NFD', 'NFKC', 'NFKD'] as const)('%s is that of Unicode, for characters of all blocks and some that follow them', (form) => {
  const normalize = unicodeForm(form);
  for (let code = 0x80; code < 0x20000; code += 31) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const text = ['a', '', '\u0323\u0301', '\u09be', '\u1161', 'x'].join(String.fromCodePoint(code));
    expect(normalize(AlignedText.of(text)).text).toBe(text.normalize(form));
  }
});
