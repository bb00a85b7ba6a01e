// Damaged files: a reader takes them or refuses them with a code; nothing else is thrown, nothing hangs. `npm run fuzz` goes on for longer.
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

/** Cheap readers get more. */
const MUTANTS: Record<string, number> = { safetensors: 6000, config: 2000, generation: 2000, hypermodel: 2000, run: 2000, examples: 2000 };

test.each(Object.keys(TARGETS))('%s', async (name) => {
  const most = MUTANTS[name] ?? 300;
  const { accepted, codes } = await fuzz(name, 1, (mutants) => mutants < most);
  expect(Object.values(codes).reduce((a, b) => a + b, 0)).toBe(most - accepted);
  // Mutants that all end at the first check would test only that check; a damaged checkpoint is never refused, but passed over.
  expect(accepted).toBeGreaterThan(0.03 * most);
  if (name !== 'checkpoint') expect(accepted).toBeLessThan(0.9 * most);
  if (name !== 'safetensors') return;
  for (const code of ['FILE_FORMAT', 'FILE_TRUNCATED', 'TENSOR_DTYPE', 'TENSOR_SHAPE', 'TENSOR_RANGE']) expect(codes[code] ?? 0, code).toBeGreaterThan(100);
});
