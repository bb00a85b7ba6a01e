/** Bookkeeping of one beam search by hand: two beams, end token 1, at most 10 tokens. */
import { describe, expect, test } from 'vitest';
import { BeamRow } from '../../lib/t5/decoding/beam-row.ts';
import type { BeamSettings, Candidate } from '../../lib/t5/decoding/beam-row.ts';

const settings = (more: Partial<BeamSettings>): BeamSettings => ({ beams: 2, eos: [1], maxTokens: 10, earlyStopping: false, lengthPenalty: 1, ...more });

/** Each beam's [token, log p] lists as candidates. */
const offer = (...beams: [number, number][][]): Candidate[] => beams.flatMap((list, beam) => list.map(([token, logProb]) => ({ beam, token, logProb })));

const FIRST: [number, number][] = [[1, -1], [2, -1.25], [3, -3], [4, -4]];

test('at first only one beam offers continuations', () => {
  const row = new BeamRow(settings({}));
  row.advance(offer(FIRST, FIRST));
  expect(row.running).toEqual([{ tokens: [2], score: -1.25, parent: 0 }, { tokens: [3], score: -3, parent: 0 }]);
  expect(row.ended).toBe(false);
});

test('an end token behind the best candidates finishes nothing', () => {
  const row = new BeamRow(settings({}));
  row.advance(offer([[2, -1], [3, -2], [1, -2.5], [4, -4]], FIRST));
  expect(row.best(2).map(({ tokens }) => [...tokens])).toEqual([[], []]);
  expect(row.running.map(({ tokens }) => tokens)).toEqual([[2], [3]]);
});

describe('when to end, with two answers and one open beam', () => {
  // After the second step: answers [1] and [2, 1], running [2, 5].
  const search = (more: Partial<BeamSettings>, [end, open]: [number, number]) => {
    const row = new BeamRow(settings(more));
    row.advance(offer(FIRST, FIRST));
    row.advance(offer([[1, end], [5, open], [6, -9], [7, -9]], FIRST.map(([token]) => [token, -9])));
    return row;
  };

  // Answers -1 and -1.5 / 2; the open beam's -2.25 is -1.125 at its length of 2 and -0.225 at the limit.
  test.each([[false, true], ['never', false], [true, true]] as const)('earlyStopping %s, open beam better at the limit only: ended %s', (earlyStopping, ended) => {
    const row = search({ earlyStopping }, [-0.25, -1]);
    expect(row.best(2)).toEqual([{ tokens: Int32Array.of(2, 1), score: -0.75 }, { tokens: Int32Array.of(1), score: -1 }]);
    expect(row.ended).toBe(ended);
  });

  // Answers -1 and -4 x 2; the open beam's -2.25 is -4.5 at its length and -22.5 at the limit.
  test.each([[false, false], ['never', false], [true, true]] as const)('earlyStopping %s under a penalty of -1: ended %s', (earlyStopping, ended) => {
    const row = search({ earlyStopping, lengthPenalty: -1 }, [-2.75, -1]);
    expect(row.best(2).map(({ score }) => score)).toEqual([-1, -8]);
    expect(row.ended).toBe(ended);
  });
});

test('at the limit the best candidates are the answers', () => {
  const row = new BeamRow(settings({ maxTokens: 1, lengthPenalty: 0 }));
  row.advance(offer([[2, -1], [1, -1.5], [3, -2], [4, -4]], FIRST));
  expect(row.ended).toBe(true);
  expect(row.best(2)).toEqual([{ tokens: Int32Array.of(2), score: -1 }, { tokens: Int32Array.of(1), score: -1.5 }]);
});
