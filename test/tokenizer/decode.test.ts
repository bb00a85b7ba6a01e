import { describe, expect, test } from 'vitest';
import { byteFallbackDecoder, DecoderChain } from '../../lib/tokenizer/decoder.ts';
import { bytePiece } from '../../lib/tokenizer/unicode.ts';
import { goldens, random, sentencePiece, shipped } from './fixtures.ts';

const tokenizer = shipped();
const LONE_SURROGATE = /\p{Surrogate}/u;

function decodeBytes(...bytes: number[]): { pushed: string[]; end: string } {
  const chain = new DecoderChain([byteFallbackDecoder()]);
  const pushed = bytes.map((byte) => chain.push(bytePiece(byte)));
  return { pushed, end: chain.end() };
}

describe('decode', () => {
  test.each(['Hello world', 'a 🙂 b', 'naïve café — “quotes”', '日本語', "it's 3.14, isn't it?", 'שלום Привет'])('gives back %s', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test('leaves special tokens out unless asked for', () => {
    const ids = tokenizer.encode('The <extra_id_0> end');
    expect(tokenizer.decode(ids)).toBe('The end');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('The<extra_id_0> end</s>');
  });

  test('takes plain and typed arrays, and nothing at all', () => {
    expect(tokenizer.decode([...tokenizer.encode('one two')])).toBe('one two');
    expect(tokenizer.decode([])).toBe('');
  });

  test.each([-1, 4100, 1.5, NaN, 2 ** 40])('refuses the id %s', (id) => {
    expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'id' }));
  });
});

describe('bytes', () => {
  test('a character comes with its last byte', () => {
    expect(decodeBytes(0xf0, 0x9f, 0x99, 0x82)).toEqual({ pushed: ['', '', '', '🙂'], end: '' });
    expect(decodeBytes(0xc3, 0xa9, 0x41)).toEqual({ pushed: ['', 'é', 'A'], end: '' });
    expect(decodeBytes(0xef, 0xbf, 0xbd)).toEqual({ pushed: ['', '', '\ufffd'], end: '' });
  });

  test('a byte that is no part of a character is U+FFFD, its neighbours are kept', () => {
    expect(decodeBytes(0x80, 0x41)).toEqual({ pushed: ['\ufffd', 'A'], end: '' });
    expect(decodeBytes(0xe6, 0x97, 0x41)).toEqual({ pushed: ['', '', '\ufffd\ufffdA'], end: '' });
    expect(decodeBytes(0xe6, 0xc3, 0xa9)).toEqual({ pushed: ['', '\ufffd', 'é'], end: '' });
    expect(decodeBytes(0xe6, 0x97)).toEqual({ pushed: ['', ''], end: '\ufffd\ufffd' });
  });

  test('overlong forms, surrogates and what lies beyond U+10FFFF are no characters', () => {
    const text = ({ pushed, end }: { pushed: string[]; end: string }): string => pushed.join('') + end;
    for (const bytes of [[0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80]]) {
      expect(text(decodeBytes(...bytes)), String(bytes)).toBe('\ufffd'.repeat(bytes.length));
    }
  });

  test('any run of them becomes what SentencePiece makes of it', () => {
    expect(goldens.bytes.filter(([, decoded]) => decoded.includes('\ufffd')).length).toBeGreaterThan(20);
    for (const [ids, decoded] of goldens.bytes) expect(tokenizer.decode(ids), String(ids)).toBe(decoded);
  });
});

describe('decodeStream', () => {
  test.each([
    ['tokenizer.json', tokenizer],
    ['SentencePiece model', sentencePiece('t5style-4k', 100)],
    ['without byte fallback', sentencePiece('t5style-16k', 100)],
  ])('adds up to decode, never with half a character: %s', (_, each) => {
    const next = random(3);
    const noise = Array.from({ length: 50 }, () => Int32Array.from({ length: 60 }, () => Math.floor(next() * (next() < 0.5 ? 259 : each.vocabSize))));
    const texts = goldens.texts.map((text) => each.encode(text));
    for (const ids of [...texts, ...noise]) {
      for (const skipSpecialTokens of [true, false]) {
        const stream = each.decodeStream({ skipSpecialTokens });
        const parts = [...ids].map((id) => stream.push(id));
        parts.push(stream.end());
        expect(parts.join('')).toBe(each.decode(ids, { skipSpecialTokens }));
        expect(parts.filter((part) => LONE_SURROGATE.test(part))).toEqual([]);
      }
    }
  });

  test('text comes as soon as it is certain', () => {
    const stream = tokenizer.decodeStream();
    const parts = [...tokenizer.encode('The 🙂 dog.')].map((id) => stream.push(id));
    expect(parts.filter((part) => part !== '')).toEqual(['The', ' ', '🙂', ' dog', '.']);
    expect(stream.end()).toBe('');
  });

  test('each stream has its own state', () => {
    const [first, second] = [tokenizer.decodeStream(), tokenizer.decodeStream()];
    const [the] = tokenizer.encode('The');
    expect([first.push(the), first.push(the), second.push(the)]).toEqual(['The', ' The', 'The']);
  });
});
