import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process per file: the addon's state and its threads end with the file.
    pool: 'forks',
    reporters: ['default'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
