import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Random } from '../../lib/data/random.ts';
import { proportionalWeights, t0Weights, temperatureWeights, weightedTasks } from '../../lib/data/sampling.ts';
import { poolTask } from '../../lib/data/task.ts';

const { weights } = JSON.parse(readFileSync(new URL('goldens/data.json', import.meta.url), 'utf8'));
const sized = weights.sizes.map((size: number, i: number) => ({ size, templates: weights.templates[i] }));

describe('weights', () => {
  test('by hand', () => {
    expect(proportionalWeights([{ size: 64 }, { size: 3000 }], 100)).toEqual([64, 100]); // Super-NaturalInstructions
    expect(t0Weights([{ size: 500_000, templates: 10 }, { size: 560_000, templates: 9 }])).toEqual([500_000, 55_555]);
    expect(temperatureWeights([{ size: 9 }, { size: 16 }], 2)).toEqual([3, 4]);
    expect(temperatureWeights([{ size: 9 }, { size: 16 }], 1)).toEqual([9, 16]);
  });

  test('as the published formulas give in Python', () => {
    expect(t0Weights(sized)).toEqual(weights.t0);
    expect(proportionalWeights(sized, 30_000)).toEqual(weights.min30000);
    const mixed = temperatureWeights(sized, 2, 65_536);
    const sum = mixed.reduce((a, b) => a + b, 0);
    // fp64 throughout; the sums differ in the order of rounding at most
    mixed.forEach((weight, i) => expect(Math.abs(weight / sum / weights.temperature2cap65536[i] - 1)).toBeLessThan(1e-14));
  });

  test.each([0, -1, NaN])('%d is no cap, temperature or number of templates', (value) => {
    expect(() => proportionalWeights(sized, value)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'cap' }));
    expect(() => temperatureWeights(sized, value)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'temperature' }));
    expect(() => t0Weights([{ size: 1, templates: value }])).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'templates' }));
  });
});

describe('weightedTasks', () => {
  const tasks = ['a', 'b', 'c', 'd'].map((id) => poolTask(id, [{ input: id, output: id }]));

  test('draws in proportion, never a task of weight 0', () => {
    const source = weightedTasks(tasks, [0, 1, 3, 0]);
    const rng = Random.stream(1);
    const drawn = Array.from({ length: 4000 }, () => source.draw(rng).id);
    const count = (id: string) => drawn.filter((other) => other === id).length;
    expect([count('a'), count('d')]).toEqual([0, 0]);
    expect(Math.abs(count('c') - 3000)).toBeLessThan(5 * 27.4); // standard deviation sqrt(4000 * 3/16)
  });

  test('the place in the sums decides, at their ends too', () => {
    const at = (float: number) => weightedTasks(tasks, [1, 0, 2, 1]).draw({ float: () => float } as Random).id;
    expect([0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2 ** -32].map(at)).toEqual(['a', 'a', 'c', 'c', 'd', 'd']);
  });

  test.each([[[1, 2]], [[0, 0, 0, 0]], [[1, -1, 1, 1]], [[1, NaN, 1, 1]], [[1, Infinity, 1, 1]]])('weights %j are refused', (bad) => {
    expect(() => weightedTasks(tasks, bad)).toThrow(expect.objectContaining({ field: 'weights' }));
  });
});
