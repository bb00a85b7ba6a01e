import { expect, test } from 'vitest';
import { Universe } from '../../lib/data/families/universe.ts';
import { quickstartTasks } from '../../lib/data/quickstart-tasks.ts';

const universe = new Universe();
const tasks = quickstartTasks(universe);

test('ten tasks, 8 examples and 20 fresh queries each, always the same', () => {
  expect(tasks).toHaveLength(10);
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(10);
  for (const { shots, queries } of tasks) {
    expect([shots.length, queries.length]).toEqual([8, 20]);
    expect(new Set([...shots, ...queries].map(({ input }) => input)).size).toBe(28);
  }
  expect(quickstartTasks(new Universe())).toEqual(tasks);
});

test('each task is as new as it says', () => {
  const ids = (list: readonly { id: string }[]) => new Set(list.map(({ id }) => id));
  const seen = ids([...universe.primitives, ...universe.trainedPairs]);
  const reallyNew = ids(universe.reallyNewPairs);
  for (const { id, novelty } of tasks) {
    expect(seen.has(id), id).toBe(novelty === 'seen task, new instances');
    expect(reallyNew.has(id), id).toBe(novelty === 'new composition');
  }
  expect(new Set(tasks.map(({ novelty }) => novelty)).size).toBe(3);
});

test('examples determine the task: no answer is always the same, both labels occur', () => {
  for (const { id, shots } of tasks) {
    const outputs = shots.map(({ output }) => output);
    const counts = [...new Set(outputs)].map((output) => outputs.filter((other) => other === output).length);
    expect(Math.max(...counts), id).toBeLessThanOrEqual(6);
  }
});
