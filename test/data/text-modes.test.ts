import { describe, expect, test } from 'vitest';
import { maskExamples, spanCorruption } from '../../lib/data/corruption.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { Random } from '../../lib/data/random.ts';
import { poolTask, taskList } from '../../lib/data/task.ts';
import { TextSampler } from '../../lib/data/text-modes.ts';
import type { TextBatch, TextMode, TextOptions } from '../../lib/data/text-modes.ts';
import { FakeEncoder } from './fake-encoder.ts';

const universe = new Universe();
const isSentinel = (id: number) => id > 9999 - 98;

/** Puts the spans of the target back in the place of their sentinels. */
function restore(source: Int32Array, target: Int32Array): number[] {
  const spans = new Map<number, number[]>();
  let span: number[] = [];
  for (const id of target.subarray(0, -1)) {
    if (isSentinel(id)) spans.set(id, (span = []));
    else span.push(id);
  }
  return [...source].flatMap((id) => spans.get(id) ?? [id]);
}

function textRows(encoder: FakeEncoder, batch: TextBatch): { source: string; target: string; decoder: number[] }[] {
  const row = (ids: Int32Array, offsets: Int32Array, r: number) => ids.subarray(offsets[r], offsets[r + 1]);
  return batch.modes.map((_, r) => ({
    source: encoder.decode(row(batch.encoderIds, batch.encoderOffsets, r)),
    target: encoder.decode(row(batch.labels, batch.decoderOffsets, r)),
    decoder: [...row(batch.decoderIds, batch.decoderOffsets, r)],
  }));
}

function sampler(mix: Partial<Record<TextMode, number>>, encoder = new FakeEncoder(), options: Partial<TextOptions> = {}) {
  return new TextSampler(universe.trained, encoder, 1, { rows: 40, mix, ...options });
}

describe('maskExamples', () => {
  const examples = Array.from({ length: 40 }, (_, i) => ({
    input: Array.from({ length: 5 }, (_, j) => `in${i}_${j}`).join(' '),
    output: Array.from({ length: 4 }, (_, j) => `out${i}_${j}`).join(' '),
  }));

  test('source and target together are the examples; words are masked at the given rates', () => {
    const encoder = new FakeEncoder();
    const plain = examples.flatMap(({ input, output }) => [9900, ...encoder.encode(input), 9901, ...encoder.encode(output)]);
    const rng = Random.stream(1);
    let inputs = 0;
    let answers = 0;
    for (let i = 0; i < 50; i++) {
      const { source, target } = maskExamples(encoder, examples.slice(0, 20), { input: 0.06, answer: 0.35 }, rng);
      expect(restore(source, target)).toEqual(plain.slice(0, 20 * 11));
      const words = encoder.decode(target).split(' ');
      inputs += words.filter((word) => word.startsWith('in')).length;
      answers += words.filter((word) => word.startsWith('out')).length;
    }
    expect(inputs / (50 * 100)).toBeCloseTo(0.06, 1);
    expect(answers / (50 * 80)).toBeCloseTo(0.35, 1);
  });

  test('neighbours are one span, sentinels count up, the end closes', () => {
    const encoder = new FakeEncoder();
    const { source, target } = maskExamples(encoder, [{ input: 'a b', output: 'c d' }, { input: '', output: 'e' }], { input: 0, answer: 1 }, Random.stream(1));
    expect(encoder.decode(source)).toBe('<99> a b <98> <0> <99> <98> <1>');
    expect(encoder.decode(target)).toBe('<0> c d <1> e $');
  });

  test('one word is always masked, unless there is none', () => {
    const encoder = new FakeEncoder();
    const never = { input: 0, answer: 0 };
    const masked = (input: string, output: string) =>
      encoder.decode(maskExamples(encoder, [{ input, output }], never, Random.stream(1)).target);
    expect(masked('a', 'b')).toBe('<0> b $');
    expect(masked('a', '')).toBe('<0> a $');
    expect(masked('', '')).toBe('$');
  });

  test('masking stops when the sentinels are used up', () => {
    const encoder = new FakeEncoder();
    const many = Array.from({ length: 150 }, (_, i) => ({ input: 'a', output: `b${i}` }));
    const { source, target } = maskExamples(encoder, many, { input: 0, answer: 1 }, Random.stream(1));
    expect([...target].filter(isSentinel)).toEqual(Array.from({ length: 98 }, (_, k) => 9999 - k));
    expect(restore(source, target)).toHaveLength(150 * 4);
  });
});

describe('spanCorruption', () => {
  test.each([2, 3, 5, 20, 100, 600])('of %i ids masks 15 %% in spans of three', (length) => {
    const encoder = new FakeEncoder();
    const ids = Int32Array.from({ length }, (_, i) => 10 + i);
    for (let seed = 0; seed < 20; seed++) {
      const { source, target } = spanCorruption(encoder, ids, Random.stream(seed));
      expect(restore(source, target)).toEqual([...ids]);
      const spans = [...target].filter(isSentinel).length;
      const masked = target.length - 1 - spans;
      expect(masked).toBe(Math.max(1, Math.round(length * 0.15)));
      expect(spans).toBe(Math.max(1, Math.round(masked / 3)));
      expect(isSentinel(source[0])).toBe(false);
    }
  });

  test('a single id stays', () => {
    const { source, target } = spanCorruption(new FakeEncoder(), Int32Array.of(42), Random.stream(1));
    expect([[...source], [...target]]).toEqual([[42], [1]]);
  });
});

describe('TextSampler', () => {
  test('a batch depends on seed and step alone', () => {
    const mix = { cue: 1, induce: 1, den: 1, none: 1 };
    expect(sampler(mix).batch(3)).toEqual(sampler(mix).batch(3));
    expect(sampler(mix).batch(3).labels).not.toEqual(sampler(mix).batch(4).labels);
  });

  test('packing: same decoder offsets, inputs shifted, no empty row', () => {
    const encoder = new FakeEncoder();
    const batch = sampler({ cue: 1, induce: 1, den: 1, none: 1 }, encoder).batch(0);
    expect(new Set(batch.modes).size).toBe(4);
    for (const [ids, offsets] of [[batch.encoderIds, batch.encoderOffsets], [batch.labels, batch.decoderOffsets]] as const) {
      expect(offsets).toHaveLength(41);
      expect(offsets[40]).toBe(ids.length);
      for (let r = 0; r < 40; r++) expect(offsets[r + 1]).toBeGreaterThan(offsets[r]);
    }
    expect(batch.decoderIds).toHaveLength(batch.labels.length);
    for (const { target, decoder } of textRows(encoder, batch)) {
      expect(decoder[0]).toBe(encoder.padId);
      expect(`${encoder.decode(decoder.slice(1))} $`.trim()).toBe(target);
    }
  });

  test('cue and induce show what they should', () => {
    const encoder = new FakeEncoder();
    const task = universe.primitives.find(({ id }) => id === 'primitive/swap12')!;
    const only = (mode: TextMode) => {
      const batch = new TextSampler(taskList([task]), encoder, 1, { rows: 10, mix: { [mode]: 1 } }).batch(0);
      return textRows(encoder, batch);
    };
    for (const { source, target } of only('cue')) {
      const [cue, query] = source.split(' <99> ');
      expect(cue).toBe('swap first two');
      expect(target).toBe(`${task.apply(query.split(' ')).join(' ')} $`);
    }
    for (const { source, target } of only('induce')) {
      expect(target).toBe('swap first two $');
      for (const shot of source.split('<99> ').slice(1)) {
        const [input, output] = shot.trim().split(' <98> ');
        expect(output).toBe(task.apply(input.split(' ')).join(' '));
      }
    }
  });

  test('none is half bare queries, half corrupted text', () => {
    const encoder = new FakeEncoder();
    const rows = textRows(encoder, sampler({ none: 1 }, encoder, { rows: 400 }).batch(0));
    const corrupted = rows.filter(({ source }) => source.includes('<0>'));
    expect(Math.abs(corrupted.length - 200)).toBeLessThan(45); // 4.5 standard deviations
    for (const { source, target } of rows) {
      expect(source).not.toMatch(/<9[89]>/);
      expect(target.includes('<0>')).toBe(source.includes('<0>'));
    }
  });

  test('windows hold, cuts are counted, and a target never names a sentinel that was cut away', () => {
    const long = poolTask('long', [{ input: 'w '.repeat(30), output: 'v '.repeat(30) }, { input: 'a', output: 'b' }], 'a task');
    const encoder = new FakeEncoder();
    const options = { rows: 60, minShots: 2, listTokens: 12, queryTokens: 6, maskedTokens: 8, answerTokens: 5 };
    const mix = { cue: 1, induce: 1, den: 2, none: 1 };
    const batch = new TextSampler(taskList([long]), encoder, 1, { ...options, mix, maskRates: { input: 0.2, answer: 0.5 } }).batch(0);
    expect(batch.report.truncatedRows).toBeGreaterThan(0);
    expect(batch.report.droppedShots).toBeGreaterThan(0);
    for (const [r, { source, target }] of textRows(encoder, batch).entries()) {
      const list = ['induce', 'den'].includes(batch.modes[r]);
      expect(source.split(' ').length).toBeLessThanOrEqual(list ? 12 : 6);
      expect(target.split(' ').length).toBeLessThanOrEqual(batch.modes[r] === 'den' ? 8 : 5);
      for (const sentinel of target.match(/<\d+>/g) ?? []) expect(source).toContain(sentinel);
    }
  });

  test('a task without a description is neither cued nor induced', () => {
    const pool = poolTask('pool', ['a', 'b', 'c', 'd', 'e'].map((input) => ({ input, output: input })));
    const modes = (mix: Partial<Record<TextMode, number>>) =>
      new Set(new TextSampler(taskList([pool]), new FakeEncoder(), 1, { rows: 5, mix }).batch(0).modes);
    expect([...modes({ cue: 1 })]).toEqual(['none']);
    expect([...modes({ induce: 1 })]).toEqual(['den']);
  });

  test('impossible options are refused', () => {
    expect(() => sampler({ cue: 1 }, new FakeEncoder(), { rows: 0 })).toThrow(expect.objectContaining({ field: 'rows' }));
    expect(() => sampler({ cue: 1 }, new FakeEncoder(), { maxShots: 1 })).toThrow(expect.objectContaining({ field: 'maxShots' }));
    expect(() => sampler({}).batch(0)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE' }));
  });
});
