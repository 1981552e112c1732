// Owns the program that load.ts starts for each load: gets one request over the IPC channel, says which file it reads,
// answers, ends. Must not be imported for its values.
import type { ProjectConfig } from '../core/types.ts';
import { asDebugwandError, type ErrorFacts } from '../lib/errors.ts';
import { type ConfigRequest, readConfig } from './read.ts';

export type LoaderAnswer =
  { readonly reading: string } | { readonly config: ProjectConfig } | { readonly error: ErrorFacts };

async function answer(request: ConfigRequest): Promise<LoaderAnswer> {
  try {
    const onFile = (reading: string): void => {
      process.send?.({ reading } satisfies LoaderAnswer);
    };
    return { config: await readConfig(request, onFile) };
  } catch (error) {
    const { code, message, fix } = asDebugwandError(error);
    return { error: { code, message, fix } };
  }
}

function isRequest(value: unknown): value is ConfigRequest {
  if (typeof value !== 'object' || value === null || !('cwd' in value) || !('file' in value)) return false;
  return typeof value.cwd === 'string' && (value.file === null || typeof value.file === 'string');
}

process.once('message', (request: unknown) => {
  if (!isRequest(request)) return;
  void answer(request).then((result) => {
    process.send?.(result, () => {
      process.disconnect();
    });
  });
});
