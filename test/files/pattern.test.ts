import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../lib/files/pattern.ts';
import { failure, seeded } from './support.ts';

/** A pattern as a test of its own, with steps to spare. */
const compile = (pattern: string): ((text: string) => boolean) => compilePattern(pattern, 'f', { steps: 200_000 });

const PATHS = [
  'encoder.block.0.layer.0.SelfAttention.q',
  'encoder.block.10.layer.1.DenseReluDense.wi_0',
  'decoder.block.1.layer.1.EncDecAttention.v',
  'decoder.block.2.layer.2.DenseReluDense.wo',
  'shared',
  '',
];

describe('compilePattern', () => {
  test.each([
    '.*',
    '',
    '.*\\.(q|v)',
    '(.*\\.)?(wo)',
    'decoder\\.block\\.[12]\\..*',
    'encoder\\.block\\.\\d+\\..*\\.wi_[0-9]',
    '.*?\\.block\\.\\d{2}\\..*',
    '^[^.]+$',
    '.*(?:Self|EncDec)Attention\\.[qv]',
    '.*[\\w.]{30,}q',
    '(a|b)*?.*wo',
    'sh?a+red|x',
    '.*\\D\\.\\S{1,2}',
    '[]s]hared',
    '.*[.-]q',
    '(decoder|encoder).block.0{1}.*',
  ])('%s matches what the built-in engine matches', (pattern) => {
    // "[]s]" opens with a literal bracket in Python; JavaScript needs it escaped.
    const builtIn = new RegExp(`^(?:${pattern.replace('[]s]', '[\\]s]')})$`);
    const matches = compile(pattern);
    for (const path of PATHS) expect(matches(path), path).toBe(builtIn.test(path));
  });

  test('agrees with the built-in engine on 3000 random patterns over a small alphabet', () => {
    const random = seeded(7);
    const pick = (list: string[]): string => list[Math.floor(random() * list.length)];
    const repetitions = ['', '', '*', '+', '?', '{2}', '{1,2}', '*?', '{2,}'];
    const make = (depth: number): string => {
      if (depth === 0) return pick(['a', 'b', '.', '[ab]', '[^a]', '\\.']) + pick(repetitions);
      const [left, right] = [make(depth - 1), make(depth - 1)];
      return pick([`(${left})`, `(?:${left}|${right})`, `(?:${left}${right})`]) + pick(repetitions);
    };
    let matched = 0;
    for (let i = 0; i < 3000; i++) {
      const pattern = make(i % 4);
      const text = Array.from({ length: Math.floor(random() * 7) }, () => pick(['a', 'b', '.'])).join('');
      const expected = new RegExp(`^(?:${pattern})$`).test(text);
      expect(compile(pattern)(text), `${pattern} on ${text}`).toBe(expected);
      if (expected) matched++;
    }
    expect(matched).toBeGreaterThan(300);
    expect(matched).toBeLessThan(2700);
  });

  test('patterns that keep a backtracking engine busy for ever end at once', () => {
    const text = `${'a'.repeat(60)}!`;
    for (const pattern of ['(a+)+', '(a|a)*b', '(a*)*b', '(.*)*(.*)*(.*)*x', '((a+)+)+$']) {
      expect(compile(pattern)(text)).toBe(false);
    }
  });

  test('work beyond the bound is refused, not waited for', async () => {
    const matches = compile('.*'.repeat(500));
    expect(matches('a'.repeat(100))).toBe(true);
    await failure(() => matches('a'.repeat(3000)), 'CONFIG_UNSUPPORTED', 'f');
    // Patterns of one configuration share their budget.
    const shared = { steps: 50 };
    expect(compilePattern('a*', 'f', shared)('a'.repeat(20))).toBe(true);
    await failure(() => compilePattern('a*', 'g', shared)('a'.repeat(20)), 'CONFIG_UNSUPPORTED', 'g');
  });

  test.each([
    '(?=a)a',
    '(?P<x>a)',
    '(?i)a',
    '(a)\\1',
    '\\ba',
    '\\Aa',
    '(a',
    'a)',
    '[a',
    '[b-a]',
    '*a',
    'a**',
    'a{2}{3}',
    'a{2,1}',
    'a{x}',
    '\\',
    '('.repeat(200),
    'a'.repeat(5000),
  ])('%s is CONFIG_UNSUPPORTED', async (pattern) => {
    await failure(() => compilePattern(pattern, 'target_modules', { steps: 1000 }), 'CONFIG_UNSUPPORTED', 'target_modules');
  });
});
