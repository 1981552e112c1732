// Owns temporary folders with files in them, for tests.
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Folder extends AsyncDisposable {
  readonly path: string;
  at(...parts: readonly string[]): string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
}

/** A new folder that holds `files` (relative path → contents); gone at the end of an `await using` block. */
export async function folder(files: Readonly<Record<string, string>> = {}): Promise<Folder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'debugwand-test-')));
  const made: Folder = {
    path,
    at: (...parts) => join(path, ...parts),
    async write(contents) {
      for (const [name, text] of Object.entries(contents)) {
        await mkdir(dirname(join(path, name)), { recursive: true });
        await writeFile(join(path, name), text);
      }
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
  await made.write(files);
  return made;
}
