import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { exactMatch } from '../../lib/eval/metrics/exact-match.ts';
import { macroF1, macroF1MetaICL } from '../../lib/eval/metrics/macro-f1.ts';
import { porterStem } from '../../lib/eval/metrics/porter.ts';
import { argmax } from '../../lib/eval/metrics/rank.ts';
import { rougeL, rougeWords } from '../../lib/eval/metrics/rouge-l.ts';
import { squadForm } from '../../lib/eval/metrics/text.ts';

const read = (name: string) => readFileSync(new URL(`../goldens/metrics/${name}`, import.meta.url), 'utf8');
const cases = <T>(name: string) => (JSON.parse(read(`${name}.json`)) as { cases: T[] }).cases;
/** Doubles on both sides; only the order of a handful of operations may differ. */
const TOLERANCE = 1e-12;

describe('ROUGE-L', () => {
  test('equals rouge_score with stemming', () => {
    const golden = cases<{ prediction: string; references: string[]; f: number }>('rouge-l');
    expect(golden.length).toBeGreaterThan(400);
    expect(golden.filter(({ f }) => f > 0 && f < 1).length).toBeGreaterThan(100);
    const wrong = golden.filter(({ prediction, references, f }) => !(Math.abs(rougeL(prediction, references) - f) <= TOLERANCE));
    expect(wrong).toEqual([]);
  });

  test('the stemmer equals NLTK word for word', () => {
    const words = read('porter.txt').trimEnd().split('\n').map((line) => line.split(' '));
    expect(words.length).toBeGreaterThan(10_000);
    expect(words.filter(([word, stem]) => porterStem(word) !== stem).map(([word, stem]) => ({ word, stem, ours: porterStem(word) }))).toEqual([]);
  });

  test('a short word is not stemmed, no word gives 0', () => {
    expect(rougeWords('Ties, tied: TYING it!')).toEqual(['tie', 'tie', 'tie', 'it']);
    expect(rougeWords('has')).toEqual(['has']);
    expect([rougeL('', ['']), rougeL('a', []), rougeL('?', ['?']), rougeL('a b c', ['x', 'a c'])]).toEqual([0, 0, 0, 0.8]);
  });
});

describe('macro-F1', () => {
  const golden = cases<{ gold: string[]; predicted: string[]; sklearn: number; metaicl: number }>('macro-f1');

  test('equals scikit-learn', () => {
    expect(golden.filter(({ gold, predicted, sklearn }) => !(Math.abs(macroF1(predicted, gold) - sklearn) <= TOLERANCE))).toEqual([]);
  });

  test("equals MetaICL's", () => {
    expect(golden.filter(({ gold, predicted, metaicl }) => !(Math.abs(macroF1MetaICL(predicted, gold) - metaicl) <= TOLERANCE))).toEqual([]);
    expect(golden.filter(({ sklearn, metaicl }) => Math.abs(sklearn - metaicl) > 0.01).length).toBeGreaterThan(10);
  });

  test('by hand: a class that is never predicted, and one that is only predicted', () => {
    // a: P 1/2, R 1/2; b: never predicted, F1 0; c: only predicted, in scikit-learn a third class of F1 0.
    const [predicted, gold] = [['a', 'a', 'c'], ['a', 'b', 'a']];
    expect(macroF1MetaICL(predicted, gold)).toBeCloseTo(0.25, 12);
    expect(macroF1(predicted, gold)).toBeCloseTo(0.5 / 3, 12);
  });
});

describe('exact match', () => {
  test('the SQuAD form equals the reference', () => {
    const golden = cases<{ text: string; normal: string }>('squad');
    expect(golden.filter(({ text, normal }) => squadForm(text) !== normal).map((c) => ({ ...c, ours: squadForm(c.text) }))).toEqual([]);
  });

  test.each<[string, string[], number, number]>([
    ['  New \n York ', ['new york'], 1, 1],
    ['the Answer.', ['answer'], 0, 1],
    ['b', ['a', 'B'], 1, 1],
    ['', [''], 1, 1],
    ['', ['the'], 0, 1],
    ['x', [], 0, 0],
    ['café', ['cafe'], 0, 0],
  ])('%j against %j', (answer, references, plain, squad) => {
    expect([exactMatch(answer, references), exactMatch(answer, references, 'squad')]).toEqual([plain, squad]);
  });
});

describe('rank classification', () => {
  test('the first of equal candidates wins', () => {
    expect([argmax([-3, -1, -1]), argmax([-Infinity]), argmax([])]).toEqual([1, 0, -1]);
  });
});
