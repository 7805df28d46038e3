import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The subpath imports of package.json lead to the sources under this condition, to dist without it.
  resolve: { conditions: ['mumu-source'] },
  ssr: { resolve: { conditions: ['mumu-source'], externalConditions: ['mumu-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
