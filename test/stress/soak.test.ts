// Small runs of those soak suites (bench/soak) whose limits do not depend on how fast the machine is.
import { expect, test } from 'vitest';
import { aborts } from '../../bench/soak/aborts.ts';
import { adapters } from '../../bench/soak/adapters.ts';
import { disposed, dropped } from '../../bench/soak/rounds.ts';
import type { Suite } from '../../bench/soak/suite.ts';
import { holds } from '../../bench/soak/suite.ts';
import { workers } from '../../bench/soak/workers.ts';

test.each<[string, Suite, number]>([
  ['disposed', disposed, 0.02],
  ['dropped', dropped, 0.02],
  ['adapters', adapters, 0.02],
  ['aborts', aborts, 0.06],
  ['workers', workers, 0.04],
])('%s', async (_, suite, size) => {
  const figures = await suite.run(size);
  expect(figures.filter((figure) => !holds(figure))).toEqual([]);
}, 600_000);
