/** How vitest runs each suite. The suites are folders; the tasks run them one after the other, the cheap ones first. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { isCI } from './support/machine.ts';

const SUITES = {
  unit: { include: ['test/unit/**/*.test.ts', 'test/architecture.test.ts'], testTimeout: 30_000, needs: null },
  contract: { include: ['test/contract/**/*.test.ts'], testTimeout: 60_000, needs: 'vitest-testbed' },
  integration: { include: ['test/integration/**/*.test.ts'], testTimeout: 120_000, needs: 'vitest-testbed' },
  editors: { include: ['test/editors/**/*.test.ts'], testTimeout: 300_000, needs: 'vitest-editors' },
  chaos: { include: ['test/chaos/**/*.test.ts'], testTimeout: 240_000, needs: 'vitest-testbed' },
};

export default defineConfig({
  root: join(import.meta.dirname, '..'),
  // What vite would keep goes where everything that is not source is kept.
  cacheDir: 'node_modules/.vite-tests',
  test: {
    projects: Object.entries(SUITES).map(([name, { include, testTimeout, needs }]) => ({
      extends: true as const,
      test: {
        name,
        include,
        testTimeout,
        hookTimeout: testTimeout,
        // Processes, not threads: tests send signals, change directories and count descriptors.
        pool: 'forks' as const,
        setupFiles: ['test/support/vitest-setup.ts'],
        // Real engines and editors on a machine that others load, too: in CI a test has a second try, and the report names
        // each that needed it. A developer sees the first failure.
        ...(needs === null ? {} : { globalSetup: [`test/support/${needs}.ts`], retry: isCI ? 1 : 0 }),
      },
    })),
  },
});
