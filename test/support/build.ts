/** Builds dist/: JavaScript and types for publishing, as Node runs no TypeScript under node_modules. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { root, step } from './step.ts';

/** Empties and fills dist/; the exit status. */
export async function build(): Promise<number> {
  await rm(join(root, 'dist'), { recursive: true, force: true });
  return (await step('build', 'tsc', ['-p', 'test/support/tsconfig.build.json'])) ? 0 : 1;
}
