import { describe, expect, test } from 'vitest';
import { labelView, labelViews } from '../../lib/data/label-views.ts';
import { Random } from '../../lib/data/random.ts';
import { poolTask, taskList } from '../../lib/data/task.ts';
import type { Example, Task } from '../../lib/data/task.ts';

const examples: Example[] = Array.from({ length: 60 }, (_, i) => ({ input: `in${i}`, output: `class${i % 5}` }));
const task = poolTask('five', examples, 'name the class') as Task & { examples: readonly Example[] };
const labelsOf = (view: Task) => new Set(view.examples!.map(({ output }) => output));
const original = new Map(examples.map(({ input, output }) => [input, output]));
const views = (renamed: number, maxClasses: number) => Array.from({ length: 60 }, (_, i) => labelView(task, Random.stream(3, i), { renamed, maxClasses }));

describe('labelView', () => {
  test('2 to maxClasses classes at a time, every number of them', () => {
    const sizes = new Set(views(0, 4).map((view) => labelsOf(view).size));
    expect([...sizes].toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
    for (const view of views(0, 4)) for (const { input, output } of view.examples!) expect(output).toBe(original.get(input));
  });

  test('renaming maps each class to one new word, another in each draw', () => {
    const names = views(1, 3).map((view) => {
      const map = new Map<string, string>();
      for (const { input, output } of view.examples!) {
        const label = original.get(input)!;
        expect(map.get(label) ?? output).toBe(output);
        map.set(label, output);
      }
      expect(new Set(map.values()).size).toBe(map.size);
      for (const name of map.values()) expect(name).not.toMatch(/^class/);
      return [...map.values()].toSorted().join();
    });
    expect(new Set(names).size).toBeGreaterThan(50);
  });

  test('the description goes where it no longer fits', () => {
    expect(new Set(views(0, 4).map(({ description }) => description))).toEqual(new Set(['']));
    const two = poolTask('two', examples.map(({ input }, i) => ({ input, output: `class${i % 2}` })), 'name it') as typeof task;
    expect(labelView(two, Random.stream(1), { renamed: 0, maxClasses: 2 }).description).toBe('name it');
    expect(labelView(two, Random.stream(1), { renamed: 1, maxClasses: 2 }).description).toBe('');
  });

  test('the commonest class is at most twice the rarest', () => {
    const skewed = poolTask('skewed', examples.map(({ input }, i) => ({ input, output: i < 4 ? 'rare' : 'common' }))) as typeof task;
    const { examples: kept } = labelView(skewed, Random.stream(1), { renamed: 0, maxClasses: 2 });
    expect([kept!.filter(({ output }) => output === 'rare').length, kept!.filter(({ output }) => output === 'common').length]).toEqual([4, 8]);
  });
});

test('labelViews leaves other tasks as they are', () => {
  const other = poolTask('other', examples);
  const source = labelViews(taskList([other]), ({ id }) => id === 'five', { renamed: 1, maxClasses: 2 });
  expect(source.draw(Random.stream(1))).toBe(other);
});
