/** The interpreter of Tiltfiles with stand-ins of Tilt's builtins, built once from the Go module in `starlark/`. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { goBuild, keyOf, needGo } from './kubernetes-programs.ts';

const MODULE = join(import.meta.dirname, 'starlark');

/** The program: it executes the Tiltfile that it is given, and prints a line of JSON for each thing asked of Tilt. */
export async function starlarkProgram(): Promise<string> {
  const folder = await cached(`starlark/${await keyOf(MODULE, ['go.mod', 'go.sum', 'main.go'])}`, async (building) => {
    await needGo(MODULE, 'executing a Tiltfile');
    await mkdir(building, { recursive: true });
    await goBuild(MODULE, join(building, 'starlark'), '.');
  });
  return join(folder, 'starlark');
}
