import { describe, expect, test } from 'vitest';
import { drawEpisode, EpisodeSampler, packEpisodes } from '../../lib/data/episodes.ts';
import type { EpisodeOptions } from '../../lib/data/episodes.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { rowOf } from '../../lib/data/packing.ts';
import type { Packed } from '../../lib/data/packing.ts';
import { Random } from '../../lib/data/random.ts';
import { poolTask, taskList } from '../../lib/data/task.ts';
import { FakeEncoder } from './fake-encoder.ts';

const universe = new Universe();
const pool = (size: number) =>
  poolTask('pool', Array.from({ length: size }, (_, i) => ({ input: `in${i}`, output: `out${i}` })), 'the pool');

function sampler(options: Partial<EpisodeOptions> = {}, seed = 1): EpisodeSampler {
  return new EpisodeSampler(universe.trained, new FakeEncoder(), seed, options);
}

function rows(packed: Packed): number[][] {
  return Array.from({ length: packed.offsets.length - 1 }, (_, r) => [...rowOf(packed, r)]);
}

describe('EpisodeSampler', () => {
  test('a batch depends on seed and step alone', () => {
    const running = sampler();
    running.batch(0);
    const texts = (from: EpisodeSampler, step: number) =>
      from.episodes(step).map(({ task, evidence, queries }) => [task.id, evidence, queries]);
    expect(texts(running, 7)).toEqual(texts(sampler(), 7));
    expect(texts(running, 7)).not.toEqual(texts(running, 8));
    expect(texts(running, 7)).not.toEqual(texts(sampler({}, 2), 7));
    expect(sampler().batch(7)).toEqual(sampler().batch(7));
  });

  test('inputs of evidence and queries are pairwise different, K in its range', () => {
    const counts = new Set<number>();
    for (let step = 0; step < 20; step++) {
      for (const { evidence, queries } of sampler({ minShots: 2, maxShots: 5 }).episodes(step)) {
        counts.add(evidence.length);
        expect(queries).toHaveLength(6);
        expect(new Set([...evidence, ...queries].map(({ input }) => input)).size).toBe(evidence.length + 6);
      }
    }
    expect([...counts].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5]);
  });

  test('packing: offsets, labels, shift and row map fit together', () => {
    const encoder = new FakeEncoder();
    const { hyper, query, decoder, labels, setOfRow, tasks, report } = new EpisodeSampler(universe.trained, encoder, 3, {
      sets: 5,
      queriesPerSet: 4,
    }).batch(0);
    for (const [packed, count] of [[hyper, 5], [query, 20], [decoder, 20], [labels, 20]] as const) {
      expect(packed.offsets).toHaveLength(count + 1);
      expect(packed.offsets[0]).toBe(0);
      expect(packed.offsets[count]).toBe(packed.ids.length);
      for (let r = 0; r < count; r++) expect(packed.offsets[r + 1]).toBeGreaterThan(packed.offsets[r]);
    }
    expect([...setOfRow]).toEqual(Array.from({ length: 20 }, (_, r) => Math.floor(r / 4)));
    expect(decoder.offsets).toEqual(labels.offsets);
    for (const [r, row] of rows(labels).entries()) {
      expect(row.at(-1)).toBe(encoder.eosId);
      expect(rows(decoder)[r]).toEqual([encoder.padId, ...row.slice(0, -1)]);
    }
    expect(tasks).toHaveLength(5);
    expect(report).toMatchObject({ droppedShots: 0, truncatedShots: 0, truncatedQueries: 0, truncatedAnswers: 0, shortSets: 0 });
    const markers = hyper.ids.filter((id) => id === encoder.sentinelId(99)).length;
    expect(markers).toBe(report.shots);
  });

  test('queries in the batch are the texts of the episodes', () => {
    const encoder = new FakeEncoder();
    const source = new EpisodeSampler(universe.trained, encoder, 4);
    const batch = source.batch(2);
    const queries = source.episodes(2).flatMap((episode) => episode.queries);
    expect(rows(batch.query).map((row) => encoder.decode(row))).toEqual(queries.map(({ input }) => input));
    expect(rows(batch.labels).map((row) => encoder.decode(row))).toEqual(queries.map(({ output }) => `${output} $`));
  });

  test('budgets hold and what they cost is counted', () => {
    const options = { hyperTokens: 40, queryTokens: 4, answerTokens: 3, minShots: 8 };
    const batch = sampler(options).batch(0);
    const longest = (packed: Packed) => Math.max(...rows(packed).map((row) => row.length));
    expect(longest(batch.hyper)).toBeLessThanOrEqual(40);
    expect(longest(batch.query)).toBe(4);
    expect(longest(batch.labels)).toBe(3);
    expect(batch.report.shots + batch.report.droppedShots).toBe(16 * 8);
    expect(batch.report.droppedShots).toBeGreaterThan(0);
    const texts = sampler(options).episodes(0).flatMap((episode) => episode.queries);
    expect(batch.report.truncatedQueries).toBe(texts.filter(({ input }) => input.split(' ').length > 4).length);
    expect(batch.report.truncatedAnswers).toBe(texts.filter(({ output }) => output.split(' ').length + 1 > 3).length);
  });

  test('impossible options are refused', () => {
    for (const options of [
      { sets: 0 }, { minShots: 0 }, { minShots: 5, maxShots: 4 }, { maxShots: 6.5 }, { queriesPerSet: -1 },
      { hyperTokens: 0 }, { queryTokens: NaN }, { answerTokens: 1.5 },
    ]) {
      expect(() => sampler(options)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: Object.keys(options).at(-1) }));
    }
  });
});

describe('small tasks', () => {
  test.each([
    [14, 8, 6, false],
    [10, 8, 2, true],
    [8, 7, 1, true],
    [2, 1, 1, true],
  ])('%i examples for 8 shots and 6 queries give %i and %i', (size, shots, queries, short) => {
    const episode = drawEpisode(pool(size), 8, 6, Random.stream(1));
    expect([episode.evidence.length, episode.queries.length, episode.short]).toEqual([shots, queries, short]);
  });

  test('short sets are counted, a task of one input is an error', () => {
    const source = new EpisodeSampler(taskList([pool(9)]), new FakeEncoder(), 1, { sets: 3, minShots: 8, queriesPerSet: 1 });
    expect(source.batch(0).report.shortSets).toBe(0);
    const short = new EpisodeSampler(taskList([pool(8)]), new FakeEncoder(), 1, { sets: 3, minShots: 8, queriesPerSet: 1 });
    expect(short.batch(0).report.shortSets).toBe(3);
    expect(() => drawEpisode(pool(1), 8, 6, Random.stream(1))).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
  });
});

describe('packEpisodes', () => {
  const task = { id: 'given', description: 'what to do' };

  test('ragged sets keep their rows, options reach the texts', () => {
    const encoder = new FakeEncoder();
    const shot = { input: 'a', output: 'b' };
    const batch = packEpisodes(
      encoder,
      [
        { task, evidence: [shot], queries: [] },
        { task, evidence: [shot], queries: [{ input: '', output: '' }, { input: 'c', output: 'd' }] },
      ],
      { queryEos: true, useDescription: true },
    );
    expect([...batch.setOfRow]).toEqual([1, 1]);
    expect(rows(batch.hyper).map((row) => encoder.decode(row))).toEqual(Array(2).fill('what to do <99> a <98> b'));
    expect(rows(batch.query).map((row) => encoder.decode(row))).toEqual(['$', 'c $']);
    expect(rows(batch.labels).map((row) => encoder.decode(row))).toEqual(['$', 'd $']);
  });

  test('an over-long first example is cut and counted', () => {
    const evidence = [{ input: 'long '.repeat(50), output: 'x' }, { input: 'a', output: 'b' }];
    const { hyper, report } = packEpisodes(new FakeEncoder(), [{ task, evidence, queries: [] }], { hyperTokens: 20 });
    expect(hyper.ids).toHaveLength(20);
    expect(report).toMatchObject({ shots: 1, droppedShots: 1, truncatedShots: 1 });
  });

  test('a set without evidence is an error', () => {
    expect(() => packEpisodes(new FakeEncoder(), [{ task, evidence: [], queries: [] }])).toThrow(
      expect.objectContaining({ code: 'EXAMPLES_EMPTY' }),
    );
  });
});
