import { describe, expect, test } from 'vitest';
import { pack, rowOf, shiftRight } from '../../lib/data/packing.ts';
import { Random } from '../../lib/data/random.ts';
import { drawDistinct, mixSources, poolTask, taskList } from '../../lib/data/task.ts';
import type { Task } from '../../lib/data/task.ts';

const example = (input: string) => ({ input, output: input.toUpperCase() });
const generated = (values: number): Task => ({
  id: `mod/${values}`,
  kind: 'number',
  description: '',
  sample: (rng) => example(String(rng.int(values))),
});

describe('drawDistinct', () => {
  test('takes each input of a pool once, in an order that the stream decides', () => {
    const pool = poolTask('pool', ['a', 'b', 'a', 'c'].map(example));
    const inputs = (seed: number) => drawDistinct(pool, 10, Random.stream(seed)).map(({ input }) => input);
    expect(inputs(1).toSorted()).toEqual(['a', 'b', 'c']);
    expect(new Set([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => inputs(seed).join(''))).size).toBeGreaterThan(1);
  });

  test('finds all inputs of a small generated task and stops', () => {
    expect(new Set(drawDistinct(generated(6), 6, Random.stream(1)).map(({ input }) => input)).size).toBe(6);
    expect(drawDistinct(generated(6), 50, Random.stream(1))).toHaveLength(6);
    expect(drawDistinct(generated(1), 3, Random.stream(1))).toHaveLength(1);
  });
});

describe('sources', () => {
  test('a mixture follows its weights', () => {
    const source = mixSources([
      { source: taskList([generated(1)]), weight: 3 },
      { source: taskList([generated(2), generated(3)]), weight: 1 },
    ]);
    const rng = Random.stream(2);
    const ids = Array.from({ length: 2000 }, () => source.draw(rng).id);
    const share = (id: string) => ids.filter((other) => other === id).length / ids.length;
    expect(share('mod/1')).toBeCloseTo(0.75, 1);
    expect(share('mod/2')).toBeCloseTo(0.125, 1);
    expect(share('mod/3')).toBeCloseTo(0.125, 1);
  });

  test('nothing to draw from is refused', () => {
    expect(() => poolTask('empty', [])).toThrow(expect.objectContaining({ code: 'EXAMPLES_EMPTY' }));
    expect(() => taskList([])).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
  });
});

describe('packing', () => {
  const packed = pack([Int32Array.of(5, 6, 1), new Int32Array(0), Int32Array.of(7, 1)]);

  test('rows come back, empty ones included', () => {
    expect([...packed.offsets]).toEqual([0, 3, 3, 5]);
    expect([0, 1, 2].map((r) => [...rowOf(packed, r)])).toEqual([[5, 6, 1], [], [7, 1]]);
    expect(pack([])).toEqual({ ids: new Int32Array(0), offsets: Int32Array.of(0) });
  });

  test('shifting right starts every row anew and loses its last id', () => {
    const shifted = shiftRight(packed, 0);
    expect([...shifted.ids]).toEqual([0, 5, 6, 0, 7]);
    expect(shifted.offsets).toEqual(packed.offsets);
    expect(shiftRight(pack([]), 0).ids).toHaveLength(0);
  });
});
