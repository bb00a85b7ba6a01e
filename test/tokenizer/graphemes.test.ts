import { expect, test } from 'vitest';
import { forEachGrapheme } from '../../lib/tokenizer/graphemes.ts';
import { goldens, random } from './fixtures.ts';

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

function clusters(text: string): string[] {
  const parts: string[] = [];
  forEachGrapheme(text, (from, to) => parts.push(text.slice(from, to)));
  return parts;
}

function expectSame(text: string): void {
  expect(clusters(text), JSON.stringify(text)).toEqual(Array.from(segmenter.segment(text), ({ segment }) => segment));
}

test('cuts odd text as Intl.Segmenter does', () => {
  goldens.texts.forEach(expectSame);
});

test('cuts characters of all blocks next to one of each kind as Intl.Segmenter does', () => {
  const kinds = ['a', '\r', '\n', '\u0301', '\u200d', '👨', '\u0600', '🇩', '한', '\u1100', '\ufe0f', 'क', '\u094d', '日', '\u00ad'];
  const next = random(4);
  for (let code = 0; code < 0x20000; code += 1 + Math.floor(next() * 400)) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    expectSame(kinds.map((kind) => kind + character).join('') + character);
  }
});

test('cuts text longer than one window as Intl.Segmenter does', () => {
  expectSame('क्षि'.repeat(100));
  expectSame('🇩'.repeat(301));
  expectSame(`x${'\u0301'.repeat(300)}👨‍👩‍👧${'각'.repeat(120)}`);
  for (let i = 0; i < 8; i++) expectSame('क'.repeat(88 + i) + '👍🏽'.repeat(20));
  expectSame(`${'שָׁלוֹם '.repeat(40)}end of the text`);
});
