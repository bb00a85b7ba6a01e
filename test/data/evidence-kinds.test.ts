import { describe, expect, test } from 'vitest';
import { EpisodeSampler } from '../../lib/data/episodes.ts';
import type { EpisodeOptions } from '../../lib/data/episodes.ts';
import { rowOf } from '../../lib/data/packing.ts';
import { rowsOfEpisodes, rowsOfText } from '../../lib/data/rows.ts';
import { poolTask, taskList } from '../../lib/data/task.ts';
import { TextSampler } from '../../lib/data/text-modes.ts';
import { FakeEncoder } from './fake-encoder.ts';

const encoder = new FakeEncoder();
const task = (size = 30) => poolTask('pool', Array.from({ length: size }, (_, i) => ({ input: `in${i}`, output: `out${i}` })), 'what to do');
const positives = [{ input: 'in3', output: 'p3' }, { input: 'fixed', output: 'pf' }, { input: 'third', output: 'no' }];

function batch(options: Partial<EpisodeOptions>, of = { ...task(), positives }) {
  const sampler = new EpisodeSampler(taskList([of]), encoder, 1, { sets: 4, queriesPerSet: 3, ...options });
  const packed = sampler.batch(0);
  return { packed, hyper: Array.from({ length: 4 }, (_, r) => encoder.decode(rowOf(packed.hyper, r))) };
}

describe('evidence of an episode', () => {
  test('definition: the description alone', () => {
    expect(batch({ evidence: 'definition' }).hyper).toEqual(Array(4).fill('what to do'));
  });

  test('positives: description and two fixed examples, never a query of the same input', () => {
    const { hyper } = batch({ evidence: 'positives' });
    expect(hyper).toEqual(Array(4).fill('what to do <99> in3 <98> p3 <99> fixed <98> pf'));
    const sampler = new EpisodeSampler(taskList([{ ...task(), positives }]), encoder, 1, { evidence: 'positives', queriesPerSet: 6 });
    for (let step = 0; step < 20; step++) {
      for (const { queries, short } of sampler.episodes(step)) {
        expect(queries).toHaveLength(6);
        expect(queries.map(({ input }) => input)).not.toContain('in3');
        expect(short).toBe(false);
      }
    }
  });

  test('what a task lacks is counted or refused', () => {
    expect(batch({ evidence: 'positives' }, { ...task(), positives: [] }).packed.report.shortSets).toBe(4);
    expect(() => batch({ evidence: 'definition' }, { ...task(), description: '', positives })).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY', field: 'evidence' }));
  });

  test('16 shots: as many whole examples as fit', () => {
    const { packed, hyper } = batch({ minShots: 16, maxShots: 16, hyperTokens: 50 });
    for (const row of hyper) expect(row.split('<99>').length - 1).toBe(12); // four tokens each
    expect(packed.report).toMatchObject({ shots: 48, droppedShots: 16, truncatedShots: 0 });
  });

  test('microbatch 0 is the batch of the step, others are not', () => {
    const sampler = new EpisodeSampler(taskList([task()]), encoder, 1);
    expect(sampler.batch(3, 0)).toEqual(sampler.batch(3));
    expect(sampler.batch(3, 1)).not.toEqual(sampler.batch(3));
    const { query, labels, setOfRow } = sampler.batch(3);
    expect(rowsOfEpisodes(sampler.batch(3))).toMatchObject({ encoder: query, labels: labels.ids, setOfRow });
  });
});

describe('icl rows', () => {
  const rows = (options = {}) => {
    const sampler = new TextSampler(taskList([task()]), encoder, 1, { rows: 10, mix: { icl: 1 }, minShots: 5, maxShots: 5, ...options });
    const made = sampler.batch(0);
    const { encoder: sources, decoder, labels } = rowsOfText(made);
    return { report: made.report, texts: Array.from({ length: 10 }, (_, r) => [encoder.decode(rowOf(sources, r)), encoder.decode(rowOf({ ids: labels, offsets: decoder.offsets }, r))]) };
  };

  test('examples, marker, query; the query is none of the examples', () => {
    for (const [source, target] of rows().texts) {
      expect(source).toMatch(/^(<99> in\d+ <98> out\d+ ){5}<99> in\d+$/);
      const query = /\d+$/.exec(source)![0];
      expect(target).toBe(`out${query} $`);
      expect(source.match(new RegExp(`in${query}\\b`, 'g'))).toHaveLength(1);
    }
  });

  test('too long: examples go, the query stays', () => {
    const { texts, report } = rows({ listTokens: 9, queryTokens: 2 });
    for (const [source] of texts) expect(source).toMatch(/^(<99> in\d+ <98> out\d+ ){2}<99> in\d+$/);
    expect(report).toEqual({ droppedShots: 30, truncatedRows: 0 });
    const tight = rows({ listTokens: 1, queryTokens: 1 });
    for (const [source] of tight.texts) expect(source).toMatch(/^<99> in\d+$/);
    expect(tight.report.droppedShots).toBe(50);
  });
});
